// A name that is nobody else's, after its node was killed: the others ask that node for a second, and then whoever had the name
// gets it back on another node. If the killed one is alive after all, one of both loses the name.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FAULTS } from './faults.mjs';
import { until } from './lib/redis.mjs';
import { open } from './lib/run.mjs';

/** The setting, in ms. */
const NODE_TIMEOUT = 4000;

it('who had a name on a node that was killed has it again on another, within node-timeout', { timeout: 60_000 }, async () => {
  const closers = [];
  try {
    const more = ['--duplicate-names', 'false', '--node-timeout', `${NODE_TIMEOUT / 1000}s`];
    const { nodes, people: [ann, , cid] } = await open(FAULTS['a node is killed (SIGKILL)'], 'redis', closers, more);
    const killed = Date.now();
    await nodes[2].stop('SIGKILL');
    await until('cid is back', () => cid.stays.length === 2);
    const away = cid.stays[1].from - killed;
    assert.ok(cid.refusals.every((reason) => reason === 'taken'), `${cid.refusals}`);
    assert.ok(away < NODE_TIMEOUT + 2500, `${away} ms`);
    // Until node-timeout the others count whom the killed node had.
    let who;
    do who = await ann.socket.emitWithAck('who');
    while (who.numUsers !== 3 && Date.now() - killed < 3 * NODE_TIMEOUT);
    assert.deepEqual([who.numUsers, who.people.sort()], [3, ['ann', 'bob', 'cid']], 'once');
  } finally {
    for (const close of closers.reverse()) await close();
  }
});
