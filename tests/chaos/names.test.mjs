// A name that is nobody else's, after its node was killed: the others keep it for as long as the node may be alive, so that no
// two people ever have it; then whoever had it gets it back, on another node.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FAULTS } from './faults.mjs';
import { until } from './lib/redis.mjs';
import { open } from './lib/run.mjs';

/** The setting, in ms. */
const NODE_TIMEOUT = 4000;

it('who had a name on a node that was killed has it again on another, after node-timeout', { timeout: 60_000 }, async () => {
  const closers = [];
  try {
    const more = ['--duplicate-names', 'false', '--node-timeout', `${NODE_TIMEOUT / 1000}s`];
    const { nodes, people: [ann, , cid] } = await open(FAULTS['a node is killed (SIGKILL)'], 'redis', closers, more);
    const killed = Date.now();
    await nodes[2].stop('SIGKILL');
    await until('cid is back', () => cid.stays.length === 2);
    const away = cid.stays[1].from - killed;
    assert.equal(cid.refusals.length > 0, true, 'the name was taken for a while');
    assert.deepEqual([...new Set(cid.refusals)], ['taken']);
    // Others hear of a node five times in that time; what was heard last may be a fifth of it old.
    assert.ok(away > NODE_TIMEOUT * 0.6 && away < NODE_TIMEOUT + 2500, `${away} ms`);
    const { numUsers, people } = await ann.socket.emitWithAck('who');
    assert.deepEqual([numUsers, people.sort()], [3, ['ann', 'bob', 'cid']], 'once');
  } finally {
    for (const close of closers.reverse()) await close();
  }
});
