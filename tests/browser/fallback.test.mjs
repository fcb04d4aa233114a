// Boxes on the way that do WebSocket harm. The conversation goes on.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FAULT_NAMES, startFaultProxy } from '../interop/lib/fault-proxy.mjs';
import { startCuttingProxy } from './lib/cutting-proxy.mjs';
import { Person, openPage, startBrowser, startServer } from './lib/pages.mjs';

let browser;
let server;
before(async () => {
  [browser, server] = await Promise.all([startBrowser(), startServer()]);
});
after(() => Promise.all([browser?.close(), server?.stop('SIGKILL')]));

const recorded = (person, pattern) => person.page.waitForFunction((source) => new RegExp(source).test(ParlancePanel.report()), pattern.source);

async function talk(alice, bob, words) {
  for (let i = 0; i < 5; i++) {
    await alice.say(`${words} up ${i}`);
    await bob.say(`${words} down ${i}`);
  }
  await bob.hears(`${words} up 4`);
  await alice.hears(`${words} down 4`);
}

async function complete(person, from, count) {
  const heard = (await person.messages()).filter(([name]) => name === from).map(([, text]) => text);
  assert.equal(new Set(heard).size, heard.length, `nothing twice: ${heard}`);
  assert.equal(heard.length, count, `nothing lost: ${heard}`);
}

describe('behind a box that leaves WebSocket', { concurrency: 3 }, () => {
  for (const fault of FAULT_NAMES) {
    it(fault, async (t) => {
      const proxy = await startFaultProxy(server.port, fault);
      t.after(() => proxy.close());
      const [a, b] = ['A', 'B'].map((letter) => `${letter} ${fault}`);
      const bob = await Person.enter(browser, server.url, b);
      const page = await openPage(browser);
      const alice = new Person(page);
      await page.goto(proxy.url);
      await alice.join(a);
      await bob.reads('#people-list', new RegExp(a));
      await alice.reads('#people-list', new RegExp(b));
      proxy.strike();
      // talk on while the upgrade is tried, fails, and the next best is taken
      await talk(alice, bob, `${fault} early`);
      await recorded(alice, /websocket {2}quarantine/);
      await alice.travelsBy('eventsource');
      await talk(alice, bob, `${fault} late`);
      await complete(bob, a, 10);
      await complete(alice, b, 10);
      assert.equal(await page.$$eval('#log .note', (notes) => notes.filter((note) => /^Not connected/.test(note.textContent)).length), 0, 'the session was kept');
      assert.deepEqual(page.errors, []);
      await Promise.all([alice.leave(), bob.leave()]);
    });
  }
});

it('goes on by another way when WebSockets are cut in the middle of a conversation, and comes back when they are not', async (t) => {
  const proxy = await startCuttingProxy(server.port);
  t.after(() => proxy.close());
  const bob = await Person.enter(browser, server.url, 'Bob');
  const alice = await Person.enter(browser, proxy.url, 'Alice');
  await alice.travelsBy('websocket');
  await talk(alice, bob, 'before');
  proxy.cut();
  await alice.page.waitForSelector('#badge:not(.good)');
  await alice.say('said into the gap');
  await alice.returned();
  await bob.hears('said into the gap');
  await recorded(alice, /websocket {2}quarantine/);
  await alice.travelsBy('eventsource');
  await talk(alice, bob, 'meanwhile');
  await alice.page.click('#badge');
  await alice.reads('#panel .transports', /WebSocketRests until \d\d:\d\d:\d\d/);
  await alice.page.keyboard.press('Escape');
  proxy.heal();
  // a browser that is online again need not wait for the end of the quarantine
  await alice.page.evaluate(() => window.dispatchEvent(new Event('online')));
  await alice.travelsBy('websocket');
  await talk(alice, bob, 'after');
  await complete(bob, 'Alice', 16);
  assert.deepEqual(alice.page.errors, []);
  await Promise.all([alice.leave(), bob.leave()]);
});
