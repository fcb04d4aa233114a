// A clean way, and one that is uneven but loses nothing: nobody is alarmed, however often one looks. RUNS says how often.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAULTS } from './faults.mjs';
import { openClient } from './lib/headless.mjs';
import { PATIENCE } from './lib/raw.mjs';
import { startStage } from './lib/stage.mjs';

const RUNS = Number(process.env.RUNS ?? 20);
const AT_ONCE = 10;

const WAYS = {
  'a clean way': { way: {} },
  'jitter and loss': FAULTS['jitter-and-loss'],
  'pieces that are put together': FAULTS['pieces-coalesced'],
  'nginx with the lines for Upgrade': { nginx: 'location / { proxy_pass http://parlance; }' },
};

/** Lines of the log that say that something is wrong. The first is of the tests themselves. */
function alarms(stderr) {
  return stderr.split('\n').filter((line) => /WARN|ERROR|failed|refused|error|slow|circuit|cause=|timeout/i.test(line) && !/this variable is ignored/.test(line));
}

/** One visit: connects, joins, is upgraded, says something, leaves. Resolves with the timeline. */
function visit(io, name) {
  return new Promise((resolve, reject) => {
    const socket = io({ forceNew: true, transports: ['websocket', 'xhr-polling'] });
    const timer = setTimeout(() => reject(new Error(`${name}: ${JSON.stringify(socket.io.timeline())}`)), PATIENCE);
    let joined = false;
    const look = () => {
      const { engine } = socket.io;
      if (!joined || engine?.transport.form !== 'websocket' || engine.probing) return;
      joined = false;
      socket.emit('new message', `hello of ${name}`, () => {
        clearTimeout(timer);
        socket.disconnect();
        resolve(socket.io.timeline());
      });
    };
    socket.on('connect', () => socket.emit('add user', name, () => ((joined = true), look())));
    socket.io.on('timeline', () => setTimeout(look, 0));
  });
}

describe(`nobody is alarmed in ${RUNS} runs`, { concurrency: 2 }, () => {
  for (const [title, fault] of Object.entries(WAYS)) {
    it(title, async (t) => {
      const stage = await startStage(fault, { args: ['--log', 'debug'] });
      t.after(() => stage.close());
      await stage.arm();
      const client = await openClient(stage.url);
      let next = 0;
      const strand = async () => {
        while (next < RUNS) {
          const name = `${title.slice(0, 20)} ${next++}`;
          const timeline = await visit(client(), name);
          const bad = [...timeline].filter(({ outcome }) => outcome !== 'ok');
          assert.equal(bad.map(({ transport, step, reason }) => `${transport} ${step} ${reason}`).join(), '', name);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, strand));
      assert.deepEqual(alarms(stage.servers[0].stderr), []);
    });
  }
});
