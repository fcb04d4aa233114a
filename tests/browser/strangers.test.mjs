// Pages of other sites that say nowhere who they are, and what they get to read of a room that is not theirs.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { Person, openPage, startWholeBrowser, startServer } from './lib/pages.mjs';

let browser;
let stranger;
before(async () => {
  stranger = http.createServer((request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html', 'Referrer-Policy': 'no-referrer' }).end('<!DOCTYPE html><title>A stranger</title>');
  });
  const listening = new Promise((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  // Names that are not this machine's: to these browsers send no Sec-Fetch-Site by plain http.
  [browser] = await Promise.all([startWholeBrowser('--host-resolver-rules=MAP *.test 127.0.0.1'), listening]);
});
after(() => Promise.all([browser?.close(), stranger?.close()]));

/** Tries every way that a page has, and returns what it could read by each. */
async function read(chat) {
  const got = [];
  const note = (way) => (text) => got.push([way, String(text)]);
  const element = (name, url) =>
    new Promise((resolve) => {
      const it = document.createElement(name);
      it.onload = it.onerror = resolve;
      it.src = chat + url;
      document.body.append(it);
    });
  window.___eio = [note('script')];
  window.io = { j: [note('script of 0.9')] };
  window.___eios = [note('frame')];
  window.s = { _: note('frame of 0.9') };
  await element('script', '/socket.io/?EIO=3&transport=polling&j=0');
  await element('script', '/socket.io/?EIO=4&transport=polling&j=0');
  await element('script', '/socket.io/1/?jsonp=0');
  for (const url of ['/socket.io/?EIO=3&transport=polling', '/socket.io/?EIO=4&transport=polling', '/socket.io/1/']) {
    await element('script', url);
    await element('img', url);
    await fetch(chat + url, { mode: 'no-cors' }).then((answer) => answer.text()).then((text) => text && note('no-cors')(text), () => {});
    await fetch(chat + url).then(async (answer) => answer.ok && note('cors')(await answer.text()), () => {});
  }
  await element('iframe', '/socket.io/?EIO=4&transport=htmlfile&j=0');
  await new Promise((resolve) => {
    const source = new EventSource(`${chat}/socket.io/?EIO=4&transport=eventsource`);
    source.onmessage = (event) => resolve(note('eventsource')(event.data), source.close());
    source.onerror = () => resolve(source.close());
  });
  await new Promise((resolve) => {
    const socket = new WebSocket(`${chat.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    socket.onmessage = (event) => resolve(note('websocket')(event.data), socket.close());
    socket.onclose = resolve;
  });
  return got.filter(([, text]) => !text.startsWith('Error: ')).map(([way]) => way);
}

for (const [where, chatHost, strangerHost] of [
  ['of this machine, where the browser says what is foreign', '127.0.0.1', '127.0.0.1'],
  ['by plain http, where it does not', 'chat.test', 'stranger.test'],
]) {
  describe(`a page ${where}`, () => {
    for (const [origins, readable] of [
      ['*', ['script', 'script', 'script of 0.9', 'cors', 'cors', 'cors', 'eventsource', 'websocket']],
      ['same-host', []],
    ]) {
      it(`reads ${readable.length ? 'the room' : 'nothing'} with origins ${origins}`, async (t) => {
        const server = await startServer('--origins', origins);
        t.after(() => server.stop('SIGKILL'));
        const page = await openPage(browser);
        await page.goto(`http://${strangerHost}:${stranger.address().port}/`);
        assert.deepEqual(await page.evaluate(read, `http://${chatHost}:${server.port}`), readable);
        await page.context().close();
      });
    }

    for (const lacks of [[], ['WebSocket', 'EventSource'], ['WebSocket', 'EventSource', 'XMLHttpRequest']]) {
      it(`does not keep out the room's own page without ${lacks.join(', ') || 'nothing'}`, async (t) => {
        const server = await startServer('--origins', 'same-host');
        t.after(() => server.stop('SIGKILL'));
        const ann = await Person.enter(browser, `http://${chatHost}:${server.port}/`, 'Ann', { without: lacks });
        await ann.say('hello');
        await ann.delivered();
        await ann.leave();
      });
    }
  });
}
