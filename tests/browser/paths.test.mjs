// The pages below a path: by themselves, and behind proxies that leave the path or take it away.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { apache, nginx, startProxy } from '../interop/lib/proxy.mjs';
import { PATIENCE, Person, openPage, startBrowser, startHastyServer, startServer } from './lib/pages.mjs';

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());

const taken = apache('ProxyPass /chat http://PARLANCE/ upgrade=websocket flushpackets=on');

/** `proxy` is in front of the server; `at` is where the page is, and `bare` a URL that has to lead there. */
const PLACES = {
  'by itself': { args: ['--base-path', '/chat/'], at: '/chat/', bare: '/chat' },
  'by itself, with a path of its own for the engine': { args: ['--base-path', '/a/b/', '--path', '/rt/io/'], at: '/a/b/', bare: '/a/b' },
  'by itself, at a path that it was not told of': { args: ['--base-path', '/chat/'], at: '/' },
  'with an engine elsewhere': { args: ['--path', '/rt'], at: '/' },
  'behind nginx, which leaves the path': { proxy: nginx('location /chat/ { proxy_pass http://parlance; }'), args: ['--base-path', '/chat/'], at: '/chat/', bare: '/chat' },
  'behind nginx, which takes the path away': { proxy: nginx('location /chat/ { proxy_pass http://parlance/; }'), args: ['--base-path', '/chat/'], at: '/chat/', bare: '/chat' },
  'behind nginx, which takes the path away from a server that knows of none': { proxy: nginx('location /chat/ { proxy_pass http://parlance/; }'), args: [], at: '/chat/', bare: '/chat' },
  'behind Apache, which leaves the path': { proxy: apache('ProxyPass /chat http://PARLANCE/chat upgrade=websocket'), args: ['--base-path', '/chat/'], at: '/chat/', bare: '/chat' },
  'behind Apache, which takes the path away and leaves a slash too many': { proxy: taken, args: ['--base-path', '/chat/'], at: '/chat/' },
  'behind Apache, which does so to a server that knows of no path': { proxy: taken, args: [], at: '/chat/' },
};

/** Collects what was asked for where nothing is, and what was asked for outside of `home`. */
function watch(page, home, port) {
  const wrong = [];
  page.on('response', (response) => {
    // The test of connections may ask for sessions that are gone.
    if (response.status() === 404) wrong.push(`404 ${response.url()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(home)) wrong.push(request.url());
  });
  page.on('websocket', (socket) => {
    if (!socket.url().startsWith(home.replace('http', 'ws'))) wrong.push(socket.url());
  });
  return wrong;
}

describe('pages below a path', { concurrency: 3 }, () => {
  for (const [name, { proxy, args, at, bare }] of Object.entries(PLACES)) {
    it(`work ${name}`, async (t) => {
      const closers = [];
      t.after(async () => {
        for (const close of closers) await close();
      });
      const server = await startHastyServer(...args);
      closers.unshift(() => server.stop('SIGKILL'));
      const front = proxy ? await startProxy({ atEnd: (close) => closers.unshift(close) }, proxy, server.port, ['http']) : { http: server.url };
      const home = `${front.http}${at}`;

      const page = await openPage(browser);
      closers.unshift(() => page.context().close());
      const wrong = watch(page, home);
      await page.goto(home);
      assert.ok(await page.evaluate(() => document.styleSheets[0].cssRules.length > 100), 'it has its styles');
      const alice = new Person(page);
      await alice.join('Alice');
      const bob = await Person.enter(browser, home, 'Bob');
      closers.unshift(() => bob.leave());
      const wrongForBob = watch(bob.page, home);
      await alice.say('here');
      await bob.hears('here');
      await bob.say('there');
      await alice.hears('there');
      await page.waitForFunction(() => /WebSocket/.test(document.getElementById('badge').textContent));

      // From the panel to the test of connections, which sends its report, and back.
      await page.click('#badge');
      await page.waitForSelector('#panel:not(.off)');
      await page.click('#panel a[href^="diagnostics"]');
      await page.waitForURL(`${home}diagnostics`);
      assert.ok(await page.evaluate(() => document.styleSheets[0].cssRules.length > 100), 'it has its styles');
      await page.click('#start');
      await page.waitForSelector('.report-id', { timeout: 2 * PATIENCE });
      const results = await page.$$eval('#rows tr', (rows) => rows.map((row) => [...row.cells].slice(0, 2).map((cell) => cell.textContent)));
      for (const [transport, result] of results) if (transport !== 'Streaming frame') assert.match(result, /Works/, transport);
      await page.click('.brand');
      await page.waitForURL(home);

      assert.deepEqual([...wrong, ...wrongForBob], []);
      assert.deepEqual([...page.errors, ...bob.page.errors], []);
      if (!bare) return;
      await page.goto(`${front.http}${bare}?lang=ko`);
      assert.equal(page.url(), `${home}?lang=ko`);
      await page.waitForSelector('html[lang=ko]');
    });
  }

  it('let a page of another origin read why a path leads nowhere', async (t) => {
    const server = await startServer('--base-path', '/chat/');
    t.after(() => server.stop('SIGKILL'));
    const page = await openPage(browser);
    t.after(() => page.context().close());
    const elsewhere = http.createServer((request, response) => response.setHeader('Content-Type', 'text/html').end('<!DOCTYPE html><title>Elsewhere</title>'));
    await once(elsewhere.listen(0, '127.0.0.1'), 'listening');
    t.after(() => elsewhere.close());
    await page.goto(`http://127.0.0.1:${elsewhere.address().port}`);
    const url = `http://127.0.0.1:${server.port}/io/?EIO=4&transport=polling`;
    for (const headers of [{}, { 'X-Token': 'a' }]) {
      const read = await page.evaluate(([url, headers]) => fetch(url, { headers }).then(async (answer) => [answer.status, await answer.text()]), [url, headers]).catch((error) => [error.message]);
      assert.deepEqual(read, [404, 'Not found. Socket.IO is at /chat/socket.io/\n']);
    }
  });
});
