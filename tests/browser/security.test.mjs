// What the pages may do in a browser, and what others may do with them.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { startChat } from '../interop/lib/server.mjs';
import { Person, openPage, startWholeBrowser, startServer } from './lib/pages.mjs';

let browser;
let server;
let builtIn;
before(async () => {
  [browser, server, builtIn] = await Promise.all([startWholeBrowser(), startServer('--duplicate-names', 'true'), startChat(['--duplicate-names', 'true'])]);
});
after(() => Promise.all([browser?.close(), server?.stop('SIGKILL'), builtIn?.stop('SIGKILL')]));

const directives = (answer) => Object.fromEntries(answer.headers.get('content-security-policy').split('; ').map((part) => [part.split(' ')[0], part.split(' ').slice(1).join(' ')]));

describe('answers', () => {
  for (const path of ['/', '/diagnostics', '/chat.js', '/parlance.js', '/socket.io/socket.io.js', '/style.css', '/icon.svg']) {
    it(`${path} comes with a strict policy`, async () => {
      const answer = await fetch(builtIn.url + path);
      const ofFolder = await fetch(server.url + path);
      assert.deepEqual([answer.status, ofFolder.status], [200, 200]);
      // Pages of the operator may load what the built-in ones do not have.
      assert.deepEqual(directives(ofFolder), {
        ...directives(answer),
        'default-src': "'self'",
        'object-src': "'none'",
        'script-src': "'self' 'wasm-unsafe-eval'",
      });
      assert.deepEqual(directives(answer), {
        'default-src': "'none'",
        'script-src': "'self'",
        'style-src': "'self'",
        'img-src': "'self'",
        'connect-src': "'self' ws: wss:",
        'frame-src': "'self'",
        'form-action': "'self'",
        'base-uri': "'none'",
        'frame-ancestors': "'self'",
      });
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
      assert.equal(answer.headers.get('x-frame-options'), 'SAMEORIGIN');
      assert.equal(answer.headers.get('referrer-policy'), 'same-origin');
    });
  }

  it('what is not there is text, and is not taken for anything else', async () => {
    const answer = await fetch(`${server.url}/nothing.js`);
    assert.equal(answer.status, 404);
    assert.equal(answer.headers.get('content-type'), 'text/plain; charset=utf-8');
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  });

  it('only the streaming frame may run a script of its own, and nothing else', async () => {
    const ended = new AbortController();
    const frame = await fetch(`${server.url}/socket.io/?EIO=4&transport=htmlfile&j=0`, { signal: ended.signal });
    assert.deepEqual(directives(frame), { 'default-src': "'none'", 'script-src': "'unsafe-inline'", 'frame-ancestors': "'self'" });
    ended.abort();
  });

  for (const index of ['alert(1)', '1;alert(1)', '</script>', 'a[0]', '-1', '']) {
    it(`a script is called by number, whatever is asked for: ${index}`, async () => {
      const text = await (await fetch(`${server.url}/socket.io/?EIO=4&transport=polling&j=${encodeURIComponent(index)}`)).text();
      assert.match(text, /^___eio\[\d*\]\("0\{(\\.|[^"\\])*"\);$/);
    });
  }
});

describe('the page', () => {
  const MARKUP = '<img src=x onerror=alert(1)><script>alert(2)</script>';
  const WATCH = 'window.broken = []; document.addEventListener("securitypolicyviolation", function (e) { broken.push(e.violatedDirective + " " + e.blockedURI); });';

  it('shows names and messages as they are written', async () => {
    const [ann, mallory] = [await Person.enter(browser, server.url, 'Ann', { script: WATCH }), await Person.enter(browser, server.url, '<b>Mallory</b>')];
    await mallory.say(MARKUP);
    await ann.hears(MARKUP);
    await ann.reads('#people-list', /<b>Mallory<\/b>/);
    await ann.reads('#log .crowd', '<b>Mallory</b> joined');
    await mallory.page.type('#message', 'more');
    await ann.reads('#typing', '<b>Mallory</b> is typing…');
    assert.equal(await ann.page.$$eval('#log img, #log script, #log b, #people b, #typing b', (found) => found.length), 0);
    assert.deepEqual(await ann.page.evaluate(() => window.broken), []);
    await Promise.all([ann.leave(), mallory.leave()]);
  });

  for (const lacks of [[], ['WebSocket'], ['WebSocket', 'EventSource'], ['WebSocket', 'EventSource', 'XMLHttpRequest']]) {
    it(`keeps within the policy without ${lacks.join(', ') || 'nothing'}`, async () => {
      const ann = await Person.enter(browser, server.url, 'Ann', { without: lacks, script: WATCH });
      await ann.travelsBy(['websocket', 'eventsource', 'htmlfile', 'jsonp-polling'][lacks.length]);
      await ann.say('hello');
      await ann.delivered();
      await ann.page.click('#badge');
      await ann.reads('#panel .facts', /\d+ ms/);
      assert.deepEqual(await ann.page.evaluate(() => window.broken), []);
      await ann.leave();
    });
  }

  it('runs nothing that somebody got into it', async () => {
    const ann = await Person.enter(browser, server.url, 'Ann', { script: WATCH });
    await ann.page.evaluate((markup) => {
      document.getElementById('log').innerHTML = markup;
      document.body.appendChild(document.createElement('script')).textContent = 'window.ran = 1';
    }, '<img src="data:," onerror="window.ran = 1">');
    await ann.page.waitForFunction(() => window.broken.length >= 2);
    assert.equal(await ann.page.evaluate(() => window.ran), undefined);
    await ann.leave();
  });

  it('stands in no frame of another site', async (t) => {
    const frames = [server.url, `${server.url}/diagnostics`].map((url) => `<iframe src="${url}"></iframe>`).join('');
    const other = http.createServer((request, response) => response.setHeader('Content-Type', 'text/html').end(`<!DOCTYPE html>${frames}`));
    await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
    t.after(() => other.close());
    const page = await openPage(browser);
    const refused = [];
    page.on('requestfailed', (request) => refused.push([request.url(), request.failure().errorText]));
    await page.goto(`http://127.0.0.1:${other.address().port}/`);
    while (refused.length < 2) await page.waitForEvent('requestfailed');
    assert.deepEqual(refused.sort(), [[`${server.url}/`, 'net::ERR_BLOCKED_BY_RESPONSE'], [`${server.url}/diagnostics`, 'net::ERR_BLOCKED_BY_RESPONSE']]);
    await page.context().close();
  });
});
