// The modern client as pages get it: what is committed is what its sources say, and the server gives it to those who can read it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { parse } from 'acorn';
import { startChat } from '../interop/lib/server.mjs';
import { ENGINES } from './engines/engines.mjs';
import { openPage, startBrowser } from './lib/pages.mjs';

const MODERN = fileURLToPath(new URL('../../client/modern/', import.meta.url));
const read = (name) => readFileSync(join(MODERN, 'dist', name));
const names = readdirSync(join(MODERN, 'dist'));
const scripts = names.filter((name) => name.endsWith('.js'));

/** Scratch space. */
let folder;
before(() => (folder = mkdtempSync(join(tmpdir(), 'modern-'))));
after(() => rmSync(folder, { recursive: true }));

describe('the modern client, as it is committed', () => {
  it('is what `make client` makes of its sources', () => {
    execFileSync(process.execPath, [join(MODERN, 'build.mjs'), folder]);
    assert.deepEqual(readdirSync(folder).sort(), names.toSorted());
    for (const name of names) assert.ok(readFileSync(join(folder, name)).equals(read(name)), `${name} is old: run make client`);
  });

  it('is for pages what the first browsers with modules run', () => {
    assert.deepEqual(scripts, ['socket.io.esm.min.js', 'socket.io.min.js', 'socket.io.msgpack.min.js']);
    for (const name of scripts) {
      const text = read(name).toString();
      parse(text, { ecmaVersion: 2017, sourceType: name.includes('.esm.') ? 'module' : 'script' });
      assert.ok(!/\beval\s*\(|\bFunction\s*\(/.test(text), `${name} makes no code out of data`);
      assert.equal(text.match(/\bglobalThis\b/g).length, 1, `${name} has another name for it first`);
    }
  });

  it('takes at most 12 KiB, compressed', () => {
    for (const name of scripts) {
      const size = gzipSync(read(name), { level: 9 }).length;
      assert.ok(size <= 12 * 1024, `${name}: ${size} bytes`);
    }
  });

  it('has source maps with the sources', () => {
    for (const name of scripts) {
      const { sources, sourcesContent } = JSON.parse(read(`${name}.map`));
      assert.ok(sources.includes('../src/socket.js') && sources.includes('../src/manager.js'), name);
      sources.forEach((source, n) => assert.equal(sourcesContent[n], readFileSync(join(MODERN, 'dist', source), 'utf8'), source));
    }
  });
});

describe('the modern client, as it is served', () => {
  let server;
  let browser;
  before(async () => {
    const page = '<!DOCTYPE html><script type="module" src="/socket.io/socket.io.min.js"></script><script nomodule src="/socket.io/socket.io.js"></script><script defer src="page.js"></script>';
    // Joins the chat, in words that every engine knows.
    const script = `
      window.kind = io.Manager ? 'modern' : 'small';
      var socket = io();
      socket.on('login', function () { window.joined = true; });
      socket.emit('add user', window.kind);`;
    writeFileSync(join(folder, 'index.html'), page);
    writeFileSync(join(folder, 'page.js'), script);
    writeFileSync(join(folder, 'esm.html'), '<!DOCTYPE html><script type="module" src="main.mjs"></script>');
    writeFileSync(join(folder, 'main.mjs'), `import { io } from './socket.io/socket.io.esm.min.js'; const socket = io(); socket.on('login', () => { window.joined = socket.io.engine.transport.name; }); socket.emit('add user', 'esm');`);
    server = await startChat(['--static-dir', folder]);
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.stop('SIGKILL');
  });

  it('is a module under the policy of the pages', async () => {
    const page = await openPage(browser);
    await page.goto(`${server.url}/esm.html`);
    await page.waitForFunction(() => window.joined);
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });

  it('is what Chromium takes of the pair, and nothing else', async () => {
    const page = await openPage(browser);
    const loaded = [];
    page.on('request', (request) => loaded.push(new URL(request.url()).pathname));
    await page.goto(server.url);
    await page.waitForFunction(() => window.joined);
    assert.equal(await page.evaluate(() => window.kind), 'modern');
    assert.deepEqual(loaded.filter((path) => path.endsWith('.js')), ['/socket.io/socket.io.min.js', '/page.js']);
    await page.context().close();
  });

  for (const [name, kind] of [['Firefox ESR', 'modern'], ['PhantomJS 2.1.1', 'small'], ['QtWebKit', 'small']]) {
    it(`${name} takes the ${kind} one of the pair, and talks`, async (t) => {
      const engine = await ENGINES[name](server.url);
      t.after(() => engine.stop());
      await engine.until('window.joined === true', 'the chat');
      assert.equal(await engine.value('window.kind'), kind);
    });
  }
});

describe('the stock client, as the operator serves it', () => {
  it('takes the place of both', async () => {
    const stock = fileURLToPath(new URL('../interop/node_modules/socket.io-client-4.8.4/dist', import.meta.url));
    const server = await startChat(['--client-dir', stock]);
    for (const name of ['socket.io.js', 'socket.io.min.js', 'socket.io.esm.min.js', 'socket.io.msgpack.min.js', 'socket.io.js.map']) {
      const answer = await fetch(`${server.url}/socket.io/${name}`);
      assert.ok(Buffer.from(await answer.arrayBuffer()).equals(readFileSync(join(stock, name))), name);
    }
    assert.equal((await fetch(`${server.url}/socket.io/socket.io.v0.9.17.js`)).status, 404);
    await server.stop('SIGKILL');
  });
});
