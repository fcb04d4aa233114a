// What the oldest browsers would stumble over, found without them: ES3, no reserved word after a dot, and a bound on the size.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parse } from 'acorn';

const folder = new URL('../../static/', import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), 'utf8');
const scripts = readdirSync(folder).filter((name) => name.endsWith('.js'));
const pages = readdirSync(folder).filter((name) => name.endsWith('.html'));

describe('scripts', () => {
  it('are all here', () => {
    for (const name of ['parlance.js', 'chat.js', 'panel.js', 'page.js', 'message.js', 'people.js', 'log.js', 'texts.js', 'diagnostics.js']) assert.ok(scripts.includes(name), name);
  });

  for (const name of scripts) {
    it(`${name} is ES3`, () => {
      parse(read(name), { ecmaVersion: 3, allowReserved: 'never' });
    });
  }

  it('the client takes at most 12 KiB, compressed', () => {
    const size = gzipSync(read('parlance.js'), { level: 9 }).length;
    assert.ok(size <= 12 * 1024, `${size} bytes`);
  });

  it('the client has exactly one line for the policy', () => {
    const line = '  var POLICY = /*transports*/["websocket","eventsource","htmlfile","xhr-polling","jsonp-polling"]/*end*/;';
    assert.equal(read('parlance.js').split('\n').filter((other) => other === line).length, 1);
    assert.equal(read('parlance.js').split('/*transports*/').length, 2);
    assert.equal(read('parlance.js').split('/*end*/').length, 2);
  });

  it('make no code out of data', () => {
    for (const name of scripts) assert.doesNotMatch(read(name), /\beval\s*\(|\bFunction\s*\(|\.innerHTML\s*=|insertAdjacentHTML|document\.write\s*\(|setTimeout\s*\(\s*['"]/, name);
  });
});

describe('pages', () => {
  for (const name of pages) {
    it(`${name} has no inline script or style and loads nothing from elsewhere`, () => {
      const html = read(name);
      assert.doesNotMatch(html, /<style|\sstyle=|<script>|<script(?![^>]*\ssrc=)|\son\w+=|javascript:/i);
      for (const [, , url] of html.matchAll(/\s(src|href)="([^"]*)"/g)) assert.match(url, /^(\/[\w./-]*|#\w*)$/, url);
    });
  }
});

describe('texts', () => {
  const load = (search) => {
    const root = { location: { search }, navigator: {} };
    new Function('window', 'document', read('texts.js'))(root, {});
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
