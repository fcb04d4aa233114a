// The faults that sit in the browser are what their names say.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FAULTS } from './faults.mjs';
import { startStage } from './lib/stage.mjs';
import { startFaultBrowser, visit } from './lib/visit.mjs';

let browser;
before(async () => {
  browser = await startFaultBrowser();
});
after(() => browser?.close());

/** What a script in the page sees: `{ webSocket, request, now }`. */
async function look(url) {
  const request = fetch(`${url}/socket.io/?EIO=4&transport=polling`).then(({ status }) => status, () => 'refused');
  const webSocket = new Promise((resolve) => {
    try {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
      socket.onopen = () => resolve('open');
      socket.onclose = () => resolve('closed');
    } catch (error) {
      resolve(error.name);
    }
  });
  return { request: await request, webSocket: await webSocket, now: Date.now() };
}

describe('a page sees', () => {
  for (const [name, fault] of Object.entries(FAULTS).filter(([, { browser }]) => browser)) {
    it(`${name}: ${fault.what}`, async (t) => {
      const stage = await startStage(fault);
      t.after(() => stage.close());
      const { page, url, close } = await visit(browser, stage);
      t.after(close);
      await stage.arm();
      const { now, ...seen } = await page.evaluate(look, url);
      const { clockMs = 0, ...expected } = fault.proof.page;
      assert.deepEqual(seen, expected);
      assert.ok(Math.abs(now - Date.now() - clockMs) < 10_000);
    });
  }
});
