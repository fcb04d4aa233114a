// Three people write while the server is down, and it is restarted three times: by each transport, everybody gets every message
// once, and all in one order.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { remembering } from './lib/history.mjs';
import { stage } from './lib/stage.mjs';

/** What carries the session, by what the server allows. */
const WAYS = [
  { transports: 'websocket', form: 'websocket' },
  { transports: 'eventsource,polling', form: 'eventsource' },
  { transports: 'htmlfile,polling', form: 'htmlfile' },
  { transports: 'xhr-polling', form: 'xhr-polling' },
  { transports: 'jsonp-polling', form: 'jsonp-polling' },
];
const NAMES = ['Alice', 'Bob', 'Carol'];
const ROUNDS = ['SIGKILL', 'SIGTERM', 'SIGKILL'];

// people wait most of the time: for connections to be given up, and made anew
describe('three restarts', { concurrency: 2 }, () => {
  for (const { transports, form } of WAYS) {
    describe(`by ${form}`, () => {
      // a frame and a script say nothing of a server that is gone: heartbeats do
      const set = stage(remembering(['--transports', transports, '--ping-interval', '1s', '--ping-timeout', '2s']));

      it('nothing is lost or doubled by restarts, and the order is the same for all', async () => {
        const people = await Promise.all(NAMES.map((name) => set.enter(name)));
        await Promise.all(people.map((person) => person.travelsBy(form)));
        const said = [];
        for (const [round, signal] of ROUNDS.entries()) {
          await set.server.stop(signal);
          await Promise.all(people.map((person) => person.page.waitForSelector('#badge:not(.good)')));
          await Promise.all(people.map((person) => person.say(`${person.name} in round ${round}`)));
          said.push(...NAMES.map((name) => `${name} in round ${round}`));
          await set.server.restart(signal);
          await Promise.all(people.map((person) => Promise.all(said.map((text) => person.hears(text)))));
          await Promise.all(people.map((person) => person.delivered()));
        }
        const orders = await Promise.all(people.map((person) => person.texts()));
        assert.equal(orders[0].length, 9, 'six from others and three of their own');
        for (const order of orders) assert.deepEqual(order, orders[0], 'one order for all');
        for (let round = 0; round < ROUNDS.length; round++) assert.ok(orders[0].slice(3 * round, 3 * round + 3).every((text) => text.endsWith(`round ${round}`)), 'and that of the rounds');
        for (const person of people) {
          const own = (await person.messages()).filter(([name]) => name === 'me').map(([, text]) => text);
          assert.deepEqual(own, ROUNDS.map((_, round) => `${person.name} in round ${round}`));
          assert.equal((await person.page.$$eval('#log .note', (all) => all.filter((note) => /What was said meanwhile is not shown/.test(note.textContent)).length)), 0);
        }
        // and it is the server's, for who comes later
        const dan = await set.enter('Dan');
        await dan.hears(orders[0].at(-1));
        assert.deepEqual(await dan.texts(), orders[0]);
      });
    });
  }
});
