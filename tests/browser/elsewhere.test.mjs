// A page of another origin that loads the client from the chat server and talks to it by each transport.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { openPage, startBrowser, startServer } from './lib/pages.mjs';

let browser;
let other;
before(async () => {
  browser = await startBrowser();
  other = http.createServer((request, response) => response.setHeader('Content-Type', 'text/html').end('<!DOCTYPE html><title>Elsewhere</title>'));
  await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
});
after(() => Promise.all([browser?.close(), other?.close()]));

const elsewhere = () => `http://127.0.0.1:${other.address().port}`;

async function openElsewhere(server) {
  const page = await openPage(browser);
  await page.goto(elsewhere());
  await page.addScriptTag({ url: `${server.url}/socket.io/socket.io.js` });
  return page;
}

/** Joins and asks who is there, three times; resolves with the transport and the answers. */
const converse = ([url, options]) =>
  new Promise((resolve, reject) => {
    const socket = io(url, options);
    const answers = [];
    socket.on('connect_error', (error) => reject(new Error(`${error.code}: ${error.message}`)));
    socket.on('connect', () => socket.emit('add user', '먼 곳', ask));
    function ask() {
      socket.emit('who', (answer) => {
        answers.push(answer.people.join());
        if (answers.length < 3) return ask();
        resolve([socket.io.engine.transport.form, answers]);
        socket.disconnect();
      });
    }
  });

describe('from another origin', () => {
  for (const transport of ['websocket', 'eventsource', 'xhr-polling', 'jsonp-polling']) {
    for (const withCredentials of [false, true]) {
      it(`${transport} talks${withCredentials ? ', with credentials' : ''}`, async (t) => {
        const server = await startServer('--origins', elsewhere());
        t.after(() => server.stop('SIGKILL'));
        const page = await openElsewhere(server);
        const answer = await page.evaluate(converse, [server.url, { transports: [transport], withCredentials, reconnection: false }]);
        assert.deepEqual(answer, [transport, ['먼 곳', '먼 곳', '먼 곳']]);
        assert.deepEqual(page.errors, []);
        await page.context().close();
      });
    }
  }

  it('is told why when its origin is not allowed, and knocks at one door only', async (t) => {
    const server = await startServer('--origins', 'https://somebody.example');
    t.after(() => server.stop('SIGKILL'));
    const page = await openElsewhere(server);
    const asked = [];
    page.on('request', (request) => /socket\.io\/\?/.test(request.url()) && asked.push(request.url()));
    page.on('websocket', (socket) => asked.push(socket.url()));
    await assert.rejects(page.evaluate(converse, [server.url, { reconnection: false }]), new RegExp(`forbidden: origin ${elsewhere()} is not allowed here`));
    assert.equal(asked.length, 1, asked.join('\n'));
    await page.context().close();
  });
});
