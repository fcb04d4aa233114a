// The connection test, from a browser where all is well and from others.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FAULTS } from '../faults/faults.mjs';
import { startStage } from '../faults/lib/stage.mjs';
import { Person, openPage, startBrowser, startHastyServer, startServer } from './lib/pages.mjs';

const folder = fileURLToPath(new URL('../../static', import.meta.url));

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());

/** Runs the test and resolves with `{ causes, results: { transport: [result, meaning] }, summary, id, report }`. */
async function run(page, url) {
  await page.goto(`${url}/diagnostics`);
  await page.click('#start');
  await page.waitForSelector('.report-id, #report-state:has-text("could not be sent")');
  return {
    causes: await page.$$eval('#causes .cause', (all) => all.map((one) => [one.dataset.cause, one.dataset.certainty, one.textContent])),
    results: Object.fromEntries(await page.$$eval('#rows tr', (rows) => rows.map((row) => [row.cells[0].textContent, [row.cells[1].textContent, row.cells[3].textContent]]))),
    summary: await page.textContent('#summary'),
    id: await page.textContent('#report-state'),
    report: await page.inputValue('#report'),
  };
}

describe('the connection test', { concurrency: 3 }, () => {
  it('finds every transport to work, and files a report', async (t) => {
    const server = await startServer();
    t.after(() => server.stop('SIGKILL'));
    const page = await openPage(browser);
    const posts = [];
    page.on('request', (request) => request.url().endsWith('/diagnostics/report') && posts.push(request));
    const { causes, results, summary, id, report } = await run(page, server.url);
    assert.deepEqual(causes, []);
    assert.deepEqual(Object.keys(results), ['WebSocket', 'Event stream', 'Streaming frame', 'Long polling', 'Script polling']);
    for (const [name, [result, meaning]] of Object.entries(results)) {
      assert.equal(result, 'Works', name);
      assert.match(meaning, /^Opened in \d+ ms; a message went there and back in \d+ ms\.$/);
    }
    assert.match(summary, /It will use: WebSocket\./);
    assert.match(id, /^The report was sent to the server\. Its number is \S+\. /);
    assert.equal(posts.length, 1);
    assert.ok(posts[0].postData().length <= 16 * 1024);
    assert.equal(posts[0].postData(), report);
    // what the page shows is what the operator finds
    await server.said(new RegExp(`diagnostics report.*${/number is (\S+)\./.exec(id)[1]}`));
    assert.match(report, /xhr-polling: works, open \d+ ms, round trip \d+ ms/);
    assert.match(report, /Transport that the chat uses from here: websocket/);
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });

  it('tells policy from a poor browser and from a box on the way', async (t) => {
    const server = await startHastyServer('--transports', 'websocket,eventsource,xhr-polling');
    t.after(() => server.stop('SIGKILL'));
    const page = await openPage(browser, { without: ['EventSource'] });
    await page.routeWebSocket(/socket\.io/, (socket) => socket.close());
    const { causes, results, summary, report } = await run(page, server.url);
    assert.equal(results['Streaming frame'][0], 'Refused by policy');
    assert.equal(results['Script polling'][0], 'Refused by policy');
    assert.deepEqual(results['Event stream'], ['Not supported by this browser', 'This browser lacks EventSource.']);
    assert.deepEqual(results.WebSocket, ['Does not work', 'Something between browser and server answers the request for the WebSocket, or cuts it.']);
    assert.deepEqual(causes.map(([cause, certainty]) => [cause, certainty]), [['upgrade-blocked', 'certain'], ['transport-not-allowed', 'certain']]);
    assert.match(causes[1][2], /^Streaming frame, Script polling: The server's settings do not allow this transport/);
    assert.equal(results['Long polling'][0], 'Works');
    assert.match(summary, /It will use: Long polling\./);
    assert.match(report, /websocket: blocked/);
    assert.match(report, /htmlfile: refused\n +transport-not-allowed \(certain, policy, by the page\): allowed: websocket, eventsource, xhr-polling/);
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });

  it('works in a browser that has next to nothing, in Korean, twice', async (t) => {
    const server = await startHastyServer();
    t.after(() => server.stop('SIGKILL'));
    const page = await openPage(browser, { locale: 'ko-KR', without: ['WebSocket', 'EventSource', 'JSON', 'Uint8Array', 'ArrayBuffer', 'localStorage'] });
    const first = await run(page, server.url);
    assert.deepEqual(Object.values(first.results).map(([result]) => result), ['이 브라우저가 지원하지 않음', '이 브라우저가 지원하지 않음', '작동함', '작동함', '작동함']);
    assert.deepEqual(await page.$$eval('#rows [data-cause]', (all) => all.map(({ dataset }) => dataset.cause)), ['browser-cannot', 'browser-cannot']);
    assert.match(first.id, /번호는 \S+입니다/);
    await page.click('#start');
    await page.waitForSelector('#start[disabled]');
    await page.waitForSelector('#start:not([disabled])');
    await page.waitForSelector('.report-id');
    assert.notEqual(await page.textContent('#report-state'), first.id);
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });

  it('does not blame the way for a page that is late itself', async (t) => {
    const server = await startHastyServer('--transports', 'eventsource,xhr-polling');
    t.after(() => server.stop('SIGKILL'));
    const page = await openPage(browser, {
      script: () => {
        const EventSource = window.EventSource;
        window.EventSource = class extends EventSource {
          constructor(...args) {
            super(...args);
            this.addEventListener('message', ({ data }) => {
              if (window.wasLate || !/piece\\",0/.test(data)) return;
              window.wasLate = true;
              // until the last of them is there
              for (const start = performance.now(); performance.now() - start < 1200; );
            });
          }
        };
      },
    });
    const { causes, results } = await run(page, server.url);
    assert.equal(await page.evaluate(() => window.wasLate), true);
    assert.equal(results['Event stream'][0], 'Works');
    assert.deepEqual(causes.map(([name]) => name), ['transport-not-allowed']);
    await page.context().close();
  });

  it('does not blame the way for what the server refuses', async (t) => {
    const server = await startServer('--origins', 'https://other.example');
    t.after(() => server.stop('SIGKILL'));
    const page = await openPage(browser);
    const { causes, results, summary, report } = await run(page, server.url);
    for (const [name, [result, meaning]] of Object.entries(results)) assert.deepEqual([result, meaning], ['Refused by policy', 'The server does not allow this page.'], name);
    assert.deepEqual(causes.map(([cause, certainty]) => [cause, certainty]), [['origin-not-allowed', 'certain']], 'one cause, once');
    assert.match(causes[0][2], /^WebSocket, Event stream, Streaming frame, Long polling, Script polling: .*origin http:\S+ is not allowed here/);
    assert.match(summary, /^No transport works from here\. The server does not allow this page\.$/);
    assert.match(report, /websocket: refused.*\n +origin-not-allowed/);
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });

  it('knows that all WebSockets are taken from WebSockets that do not get through', async (t) => {
    const server = await startHastyServer('--max-websockets', '1');
    t.after(() => server.stop('SIGKILL'));
    const first = await Person.enter(browser, server.url, 'First');
    await first.travelsBy('websocket');
    const page = await openPage(browser);
    const { results, summary } = await run(page, server.url);
    assert.equal(results.WebSocket[0], 'Refused by policy');
    assert.equal(results.WebSocket[1], 'The server has as many WebSockets as it may.');
    assert.equal(results['Event stream'][0], 'Works');
    assert.match(summary, /It will use: Event stream\./);
    await Promise.all([first.leave(), page.context().close()]);
  });

  it('gives no number where the log would not have the report', async (t) => {
    const server = await startHastyServer('--log', 'warn');
    t.after(() => server.stop('SIGKILL'));
    const page = await openPage(browser);
    const { results, id } = await run(page, server.url);
    assert.equal(results.WebSocket[0], 'Works');
    assert.match(id, /could not be sent to the server\. Copy it instead\./);
    await page.context().close();
  });

  it('says so when nothing works, and keeps the report for copying', async (t) => {
    const server = await startServer();
    t.after(() => server.stop('SIGKILL'));
    const page = await openPage(browser);
    await page.route(/socket\.io\/\?|report$/, (route) => route.abort());
    await page.routeWebSocket(/socket\.io/, (socket) => socket.close());
    const { causes, results, summary, id, report } = await run(page, server.url);
    for (const [name, [result]] of Object.entries(results)) assert.equal(result, 'Does not work', name);
    assert.deepEqual(causes.map(([cause, certainty]) => [cause, certainty]), [['unreachable', 'likely']]);
    assert.match(summary, /^No transport works from here\./);
    assert.match(id, /could not be sent/);
    assert.match(report, /Transport that the chat uses from here: none/);
    await page.context().close();
  });

  it('knows what becomes of the only transport, which has no other to begin with', async (t) => {
    const stage = await startStage(FAULTS['websocket-only-behind-a-box'], { args: ['--static-dir', folder] });
    t.after(() => stage.close());
    await stage.arm();
    const page = await openPage(browser);
    const { causes, summary } = await run(page, stage.url);
    assert.deepEqual(causes.map(([name]) => name), ['upgrade-blocked', 'transport-not-allowed']);
    assert.match(summary, /^No transport works from here\./);
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });

  // What the panel would call "in use" for a while, too: each has its cause here, and the choice follows from it.
  for (const [name, transport, cause, choice] of [
    ['killed-after-5s', 'WebSocket', 'time-limit', 'Event stream'],
    ['haproxy-tunnel-timeout', 'WebSocket', 'idle-timeout', 'Event stream'],
    ['killed-after-20ms', 'WebSocket', 'cut-after-open', 'Event stream'],
    ['buffered-until-end', 'Event stream', 'stream-buffered', 'WebSocket'],
    ['pieces-coalesced', '', '', 'WebSocket'],
  ]) {
    it(`is not taken in by ${name}`, async (t) => {
      const stage = await startStage(FAULTS[name], { args: ['--static-dir', folder] });
      t.after(() => stage.close());
      await stage.arm();
      const page = await openPage(browser);
      // A limit of time is found if two connections last equally long. A busy machine may lengthen one: then the test is run again.
      let seen;
      for (let tries = ['time-limit', 'idle-timeout'].includes(cause) ? 3 : 1; tries && seen?.causes.map(([name]) => name).join() !== cause; tries -= 1) seen = await run(page, stage.url);
      const { causes, results, summary } = seen;
      if (transport) assert.equal(results[transport][0], 'Does not work');
      assert.deepEqual(causes.map(([name]) => name), [cause].filter(Boolean));
      assert.match(summary, new RegExp(`It will use: ${choice}\\.`));
      assert.deepEqual(page.errors, []);
      await page.context().close();
    });
  }
});
