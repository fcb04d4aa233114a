// Browsers that lack this or that. The transport is not chosen by an option: it is what is left.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Person, openPage, startBrowser, startServer } from './lib/pages.mjs';

const TEXT = 'é 漢字 한국어 😀 \\n "q" </script> \u2028.';

const BASE = ['fetch', 'Intl', 'IntersectionObserver', 'ResizeObserver', 'visualViewport', 'localStorage', 'sessionStorage'];
const CASES = [
  { lacks: [], by: 'websocket' },
  { lacks: ['WebSocket'], by: 'eventsource' },
  { lacks: ['WebSocket', 'EventSource'], by: 'htmlfile' },
  { lacks: ['WebSocket', 'EventSource'], policy: 'websocket,eventsource,xhr-polling,jsonp-polling', by: 'xhr-polling' },
  { lacks: ['WebSocket', 'EventSource', 'XMLHttpRequest'], by: 'jsonp-polling' },
  { lacks: ['JSON'], by: 'websocket' },
  { lacks: ['WebSocket', 'JSON'], by: 'eventsource' },
  { lacks: ['WebSocket', 'EventSource', 'JSON', 'ArrayBuffer', 'Uint8Array'], by: 'htmlfile' },
  { lacks: ['WebSocket', 'EventSource', 'XMLHttpRequest', 'JSON', 'ArrayBuffer', 'Uint8Array', 'atob', 'btoa', ...BASE], by: 'jsonp-polling' },
];

/** Features that cannot be taken away by setting a global to nothing. */
const SPARSE = `
  delete Function.prototype.bind; delete Array.prototype.indexOf; delete Array.prototype.forEach; delete String.prototype.trim; delete Date.now; delete Object.keys;
`;

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());

describe('a browser without', { concurrency: 3 }, () => {
  for (const { lacks, policy, by } of CASES) {
    it(`${lacks.join(', ') || 'nothing'}${policy ? `, at a server that allows ${policy},` : ''} talks by ${by}`, async () => {
      // heartbeats are frequent: nothing else tells of a frame whose server has died
      const server = await startServer('--log', 'debug', '--stream-bytes', '16KiB', '--ping-interval', '3s', '--ping-timeout', '15s', ...(policy ? ['--transports', policy] : []));
      const other = await Person.enter(browser, server.url, 'Other');
      const person = await Person.enter(browser, server.url, 'Poor', { without: lacks });
      await person.travelsBy(by);
      for (let i = 0; i < 3; i++) {
        await person.say(`${TEXT} up ${i}`);
        await other.hears(`${TEXT} up ${i}`);
        await other.say(`${TEXT} down ${i}`);
        await person.hears(`${TEXT} down ${i}`);
      }
      // enough to have every stream recycled
      for (let i = 0; i < 8; i++) await other.say(`${i} ${'x'.repeat(4000)}`);
      await person.hears(`7 ${'x'.repeat(4000)}`);
      await person.page.click('#badge');
      await person.reads('#panel .facts', new RegExp(`\\(${by}\\)`));
      await person.reads('#panel .transports tr.current', /In use/);
      await person.page.keyboard.press('Escape');
      // and the server agrees
      const log = server.stderr.replace(/\u001b\[[\d;]*m/g, '');
      if (by === 'jsonp-polling' || by === 'xhr-polling') assert.match(log, new RegExp(`transport="?${by}"?`));
      else assert.match(log, new RegExp(`upgraded.*to="?${by}"?`));
      assert.equal((await person.messages()).length, 14, 'nothing was lost or doubled');
      // the server goes, and comes back
      await server.restart('SIGKILL');
      await Promise.all([person.returned(), other.returned()]);
      await person.travelsBy(by);
      await person.say('back again');
      await other.hears('back again');
      assert.deepEqual(person.page.errors, []);
      await Promise.all([person.leave(), other.leave()]);
      await server.stop('SIGKILL');
    });
  }

  it('the comforts of this century talks all the same', async () => {
    const server = await startServer();
    const [other, person] = [await Person.enter(browser, server.url, 'Other'), await Person.enter(browser, server.url, 'Poor', { without: BASE, script: SPARSE })];
    await person.say(TEXT);
    await other.hears(TEXT);
    await other.say('heard');
    await person.page.locator('#log .other .text', { hasText: 'heard' }).waitFor();
    assert.deepEqual(person.page.errors, []);
    await Promise.all([person.leave(), other.leave()]);
    await server.stop('SIGKILL');
  });

  it('style sheets shows one thing at a time', async () => {
    const server = await startServer();
    const page = await openPage(browser);
    await page.route('**/style.css', (route) => route.abort());
    await page.goto(server.url);
    await page.waitForSelector('#badge.good');
    const seen = () => page.$$eval('#join, #room, #people-toggle, #people-more, #banner, #jump, #panel, #panel .report', (all) => all.filter((one) => one.getClientRects().length).map((one) => one.id || one.className));
    assert.deepEqual(await seen(), ['join']);
    const person = new Person(page);
    await person.join('Poor');
    await person.say('plain and usable');
    await person.delivered();
    await person.hears('plain and usable');
    assert.deepEqual(await seen(), ['people-toggle', 'room']);
    await page.click('#badge');
    await person.reads('#panel .facts', /\d+ ms/);
    assert.deepEqual(await seen(), ['people-toggle', 'room', 'panel']);
    await page.click('#panel .actions button');
    assert.deepEqual(await seen(), ['people-toggle', 'room', 'panel', 'report']);
    await page.keyboard.press('Escape');
    assert.deepEqual(await seen(), ['people-toggle', 'room']);
    assert.deepEqual(page.errors, []);
    await person.leave();
    await server.stop('SIGKILL');
  });

  it('JavaScript is told what is missing', async () => {
    const server = await startServer();
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    for (const path of ['/', '/diagnostics']) {
      await page.goto(server.url + path);
      assert.ok(await page.locator('noscript .note-box').isVisible());
      assert.deepEqual(await page.locator('button, input, textarea, table').evaluateAll((all) => all.filter((one) => one.getClientRects().length).length), 0, 'nothing that could not work');
    }
    await context.close();
    await server.stop('SIGKILL');
  });
});
