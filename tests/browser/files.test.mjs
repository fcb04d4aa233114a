// Files of a folder in a browser: modules, WebAssembly, sounds, fonts. And what the built-in pages weigh.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { Authority } from '../interop/lib/certificates.mjs';
import { startChat } from '../interop/lib/server.mjs';
import { Person, openPage, startBrowser } from './lib/pages.mjs';

let browser;
const folder = mkdtempSync(join(tmpdir(), 'parlance-files-'));
const put = (name, content) => writeFileSync(join(folder, name), content);
const certificates = new Authority();
before(async () => {
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  certificates.remove();
  rmSync(folder, { recursive: true });
});

/** A sound of that many seconds, 8000 bytes each. */
function sound(seconds) {
  const bytes = Buffer.alloc(44 + seconds * 8000, 128);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(8000, 24);
  bytes.writeUInt32LE(8000, 28);
  bytes.writeUInt16LE(1, 32);
  bytes.writeUInt16LE(8, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(bytes.length - 44, 40);
  return bytes;
}

describe('a folder of the operator', () => {
  let server;
  before(async () => {
    for (const name of ['docs', '.well-known']) mkdirSync(join(folder, name));
    put('index.html', '<!DOCTYPE html><link rel="manifest" href="app.webmanifest"><script type="module" src="a.mjs"></script>');
    put('a.mjs', 'import { word } from "./b%20c~+@ü.mjs"; window.word = word;');
    put('b c~+@ü.mjs', 'export const word = "grüße";');
    put('app.webmanifest', '{"name":"App"}');
    put('empty.wasm', Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
    put('worker.js', 'postMessage("works")');
    put('image.svg', '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="5"/>');
    put('sound.wav', sound(2000));
    put('docs/index.html', '<!DOCTYPE html><title>docs</title><script src="own.js"></script>');
    put('docs/own.js', 'window.form = "plain"');
    put('docs/own.js.gz', gzipSync('window.form = "gzip"'));
    put('docs/own.js.br', brotliCompressSync('window.form = "br"'));
    put('.well-known/security.txt', 'Contact: mailto:a@b.example');
    server = await startChat(['--static-dir', folder]);
  });
  after(() => server?.stop('SIGKILL'));

  it('modules, WebAssembly, workers, images and manifests load', async () => {
    const page = await openPage(browser);
    await page.goto(server.url);
    await page.waitForFunction(() => window.word === 'grüße');
    const loaded = await page.evaluate(async () => ({
      wasm: (await WebAssembly.instantiateStreaming(fetch('empty.wasm'))).module instanceof WebAssembly.Module,
      worker: await new Promise((done) => (new Worker('worker.js').onmessage = (event) => done(event.data))),
      image: await new Promise((done) => {
        const image = new Image();
        image.onload = () => done([image.width, image.height]);
        image.src = 'image.svg';
      }),
      manifest: (await (await fetch('app.webmanifest')).json()).name,
    }));
    assert.deepEqual(loaded, { wasm: true, worker: 'works', image: [7, 5], manifest: 'App' });
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });

  it('a sound can be played from any second of it', async () => {
    const page = await openPage(browser);
    const statuses = [];
    page.on('response', (response) => response.url().endsWith('.wav') && statuses.push(response.status()));
    await page.goto(server.url);
    const at = await page.evaluate(async () => {
      const audio = new Audio('sound.wav');
      audio.preload = 'auto';
      await new Promise((done, failed) => ((audio.oncanplay = done), (audio.onerror = () => failed(new Error(audio.error.message)))));
      const sought = new Promise((done) => (audio.onseeked = done));
      audio.currentTime = 1900;
      await sought;
      return [audio.duration, audio.currentTime, audio.seekable.end(0)];
    });
    assert.deepEqual(at, [2000, 1900, 2000]);
    assert.ok(statuses.length > 1 && statuses.every((status) => status === 206), `${statuses}`);
    await page.context().close();
  });

  it('a folder is its index, with forms that were compressed before', async () => {
    const page = await openPage(browser);
    await page.goto(`${server.url}/docs?x=1`);
    assert.equal(page.url(), `${server.url}/docs/?x=1`);
    assert.equal(await page.evaluate(() => window.form), 'br');
    for (const [accept, form] of [['gzip', 'gzip'], ['br;q=0.1, gzip;q=0', 'br'], ['identity', 'plain']]) {
      const answer = await fetch(`${server.url}/docs/own.js`, { headers: { 'accept-encoding': accept } });
      assert.equal(await answer.text(), `window.form = "${form}"`);
    }
    assert.equal((await fetch(`${server.url}/.well-known/security.txt`)).status, 200);
    await page.context().close();
  });
});

describe('the built-in pages', () => {
  const tls = () => {
    const { cert, key } = certificates.make('pages', {});
    return ['--tls-cert', cert, '--tls-key', key];
  };
  // Chromium asks for brotli where it can be sure that nothing on the way spoils it: by https, and on this machine.
  for (const [scheme, flags] of [['http', () => []], ['https', tls]]) {
    it(`come compressed by ${scheme}, and are kept`, async () => {
      const server = await startChat(flags());
      assert.ok(server.url.startsWith(`${scheme}:`));
      const page = await openPage(browser, { ignoreHTTPSErrors: true });
      const loaded = [];
      page.on('response', (response) => new URL(response.url()).pathname.startsWith('/socket.io') || loaded.push(response));
      await page.goto(server.url);
      const person = new Person(page);
      await person.join('ann');
      await person.say('hello');
      await person.hears('hello');
      let bytes = 0;
      for (const response of loaded) {
        const headers = await response.allHeaders();
        const own = /parlance\.js$/.test(response.url());
        assert.equal(headers['content-encoding'], own ? 'gzip' : 'br', response.url());
        assert.equal(headers.vary, 'Accept-Encoding');
        assert.equal(/immutable/.test(headers['cache-control']), response.url().includes('?v='), response.url());
        bytes += Number(headers['content-length']);
      }
      // what moderators have is 2 kB of it
      assert.ok(loaded.length > 8 && bytes < 73_000, `${bytes} bytes in ${loaded.length} answers`);
      assert.deepEqual(page.errors, []);
      // Chromium keeps nothing from a server whose certificate it does not know.
      if (scheme === 'http') {
        const again = [];
        page.on('requestfinished', (request) => again.push(request.sizes().then((sizes) => [new URL(request.url()).pathname, sizes.responseBodySize])));
        await page.goto(server.url);
        await page.waitForSelector('#room:not(.off)');
        const sent = (await Promise.all(again)).filter(([path, size]) => !path.startsWith('/socket.io') && size > 0);
        assert.deepEqual(sent, [], 'the second time none of it is sent');
      }
      await page.context().close();
      await server.stop('SIGKILL');
    });
  }
});
