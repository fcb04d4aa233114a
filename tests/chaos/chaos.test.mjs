// The short form of the table, for make test: times are cut, and not every fault is done to every adapter.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ADAPTERS, FAULTS } from './faults.mjs';
import { complaints } from './lib/promises.mjs';
import { run } from './lib/run.mjs';

/** Pub/Sub has the same connection everywhere; what is different at a stream is done to it. */
const ALSO_BY_PUBSUB = ['redis restarts, and has lost all', 'a node is cut off from Redis', 'a node is stopped (SIGTERM)'];

describe('whatever happens, each adapter keeps its promise', { concurrency: 6 }, () => {
  for (const [name, fault] of Object.entries(FAULTS)) {
    for (const adapter of ADAPTERS) {
      if (adapter !== 'redis-streams' && !ALSO_BY_PUBSUB.includes(name)) continue;
      if (fault.only) continue;
      it(`${adapter}: ${name}`, { timeout: 120_000 }, async () => {
        const result = await run(fault, adapter, 'short');
        assert.deepEqual(complaints(fault, adapter, result), [], JSON.stringify(result));
        assert.ok(result.said > 100, `${result.said} said`);
      });
    }
  }
});
