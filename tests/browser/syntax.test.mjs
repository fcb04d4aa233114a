// What the oldest browsers would stumble over, found without them: ES3, no reserved word after a dot, and a bound on the size.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parse } from 'acorn';
import { startChat } from '../interop/lib/server.mjs';
import { joined, served, sources } from './lib/client.mjs';

const folder = new URL('../../static/', import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), 'utf8');
const scripts = readdirSync(folder).filter((name) => name.endsWith('.js'));
const pages = readdirSync(folder).filter((name) => name.endsWith('.html'));
/** The administrator's page is for browsers of today. */
const modules = readdirSync(new URL('admin/', folder)).filter((name) => name.endsWith('.js')).map((name) => `admin/${name}`);

describe('scripts', () => {
  it('are all here', () => {
    for (const name of ['chat.js', 'panel.js', 'page.js', 'layer.js', 'markup.js', 'message.js', 'people.js', 'lines.js', 'log.js', 'notify.js', 'link.js', 'outbox.js', 'typists.js', 'room.js', 'rooms.js', 'search.js', 'you.js', 'names.js', 'texts.js', 'texts-diagnostics.js', 'evidence.js', 'trial.js', 'diagnostics.js']) assert.ok(scripts.includes(name), name);
  });

  for (const name of scripts) {
    it(`${name} is ES3`, () => {
      parse(read(name), { ecmaVersion: 3, allowReserved: 'never' });
    });
  }

  for (const name of modules) {
    it(`${name} is a module of ES2023`, () => {
      parse(read(name), { ecmaVersion: 2023, sourceType: 'module' });
    });
  }

  it('make no code out of data', () => {
    for (const [name, script] of [...[...scripts, ...modules].map((name) => [name, read(name)]), ...sources]) assert.doesNotMatch(script, /\beval\s*\(|\bFunction\s*\(|\.innerHTML\s*=|insertAdjacentHTML|document\.write\s*\(|setTimeout\s*\(\s*['"]/, name);
  });
});

describe('what is sent of the pages', () => {
  const program = (text, options) => {
    const comments = [];
    const tree = parse(text, { ...options, onComment: (block, comment) => comments.push(comment) });
    return { comments, tree: JSON.stringify(tree, (key, value) => (key === 'start' || key === 'end' ? undefined : value)) };
  };
  let server;
  before(async () => (server = await startChat()));
  after(() => server?.stop('SIGKILL'));

  for (const name of scripts) {
    it(`${name} says what its source says, without comments at the ends of lines`, async () => {
      const sent = program(await (await fetch(`${server.url}/${name}`)).text(), { ecmaVersion: 3 });
      assert.ok(sent.tree === program(read(name), { ecmaVersion: 3 }).tree, 'is the release build that of these sources?');
      assert.deepEqual(sent.comments, []);
    });
  }
});

describe('the client', () => {
  let client;
  before(async () => (client = await served()));

  it('is ES3', () => {
    parse(client, { ecmaVersion: 3, allowReserved: 'never' });
  });

  it('is made of all its files, of which each is ES3 by itself', () => {
    const parts = [...sources.keys()].filter((name) => name !== 'parlance.js');
    for (const name of parts) {
      parse(sources.get(name), { ecmaVersion: 3, allowReserved: 'never' });
      assert.equal(sources.get('parlance.js').split('\n').filter((line) => line.trim() === `//= ${name}`).length, 1, name);
    }
    assert.ok(parts.length > 20);
  });

  it('says what its files say, without their comments', () => {
    const comments = [];
    const program = (text, onComment) => JSON.stringify(parse(text, { ecmaVersion: 3, onComment }), (key, value) => (key === 'start' || key === 'end' ? undefined : value));
    assert.equal(program(client, comments), program(joined()), 'is the release build that of these sources?');
    assert.deepEqual(comments.map((comment) => comment.value), ['! Parlance client: Engine.IO 4, Socket.IO 5. MIT licence. ', 'transports', 'end', 'path', 'end']);
  });

  it('takes at most 12 KiB, compressed', () => {
    const size = gzipSync(client, { level: 9 }).length;
    assert.ok(size <= 12 * 1024, `${size} bytes`);
  });

  it('has one place for the policy, and one for the path', () => {
    assert.equal(client.match(/\/\*transports\*\/\["websocket","eventsource","htmlfile","xhr-polling","jsonp-polling"\]\/\*end\*\//g).length, 1);
    assert.equal(client.match(/\/\*path\*\/"\/socket.io\/"\/\*end\*\//g).length, 1);
  });
});

describe('pages', () => {
  for (const name of [...pages, 'admin/admin.html']) {
    it(`${name} has no inline script or style, and its links are below its own path`, () => {
      const html = read(name);
      assert.doesNotMatch(html, /<style|\sstyle=|<script>|<script(?![^>]*\ssrc=)|\son\w+=|javascript:/i);
      for (const [, , url] of html.matchAll(/\s(src|href)="([^"]*)"/g)) assert.match(url, /^(\.\/|(admin\/)?\w[\w.-]*|#\w*)$/, url);
    });
  }
});

describe('texts', () => {
  const load = (search) => {
    const root = { location: { search }, navigator: {} };
    for (const name of ['texts.js', 'texts-diagnostics.js']) new Function('window', 'document', read(name))(root, {});
    return root.ParlanceTexts;
  };
  const { tables } = load('');
  const used = new Set();
  for (const name of [...scripts, ...pages]) {
    for (const [, key] of read(name).matchAll(/\bt\('([\w.-]+)'[,)]/g)) used.add(key);
    for (const [, key] of read(name).matchAll(/data-t="([\w.-]+)"/g)) used.add(key);
  }

  it('has every text that is asked for', () => {
    assert.ok(used.size > 40);
    for (const key of used) assert.ok(key in tables.en, key);
  });

  it('tells in its own words when what failed is tested again', () => {
    for (const lang of Object.keys(tables)) assert.equal(load(`?lang=${lang}`).why('quarantined', 'next test in 30 s'), tables[lang]['why.quarantined'].replace('{n}', '30'));
  });

  for (const lang of Object.keys(tables)) {
    it(`${lang} says everything, with the same blanks`, () => {
      assert.deepEqual(Object.keys(tables[lang]).sort(), Object.keys(tables.en).sort());
      const blanks = (text) => [...new Set(text.match(/\{\w+\}/g))].sort();
      for (const [key, text] of Object.entries(tables[lang])) assert.deepEqual(blanks(text), blanks(tables.en[key]), key);
    });
  }
});
