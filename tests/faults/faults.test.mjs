// The laboratory itself: each fault is what its name says. Their times are cut short; `make faults` has
// them in full.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { FAULTS } from './faults.mjs';
import { PROOFS } from './lib/proofs.mjs';
import { longest, startStage } from './lib/stage.mjs';
import { startUpstream } from './lib/upstream.mjs';

/** The longest that a fault may take; FULL=1 has none. What is to come before it takes less, on a machine that is busy. */
const quick = (fault) => (process.env.FULL ? Infinity : fault.link?.silenceMs || fault.way?.frames?.end ? 2000 : 300);

const NEEDS_SERVER = ['server', 'settings', 'act', 'crowd', 'instances'];
const PARAMETERS = ['text', 'headers', 'arrives', 'offered', 'origin'];

describe('a raw client sees', { concurrency: process.env.FULL ? 12 : 4 }, () => {
  for (const [name, fault] of Object.entries(FAULTS)) {
    if (fault.browser) continue;
    it(`${name}: ${fault.what}`, { timeout: 40_000 + 3 * Math.min(longest(fault), quick(fault)) }, async () => {
      const scale = Math.min(1, quick(fault) / longest(fault));
      const up = NEEDS_SERVER.some((key) => key in fault) ? undefined : await startUpstream();
      const stage = await startStage(fault, { scale, upstream: up?.port });
      try {
        await stage.arm();
        for (const [proof, expected] of Object.entries(fault.proof)) {
          if (!PARAMETERS.includes(proof)) await PROOFS[proof]({ stage, up, scale, proof: fault.proof }, expected);
        }
      } finally {
        await stage.close();
        await up?.close();
      }
    });
  }
});

it('each fault is named, told, and proved', () => {
  assert.ok(Object.keys(FAULTS).length >= 40);
  for (const [name, fault] of Object.entries(FAULTS)) {
    assert.match(name, /^[a-z0-9-]+$/i);
    assert.ok(fault.what && fault.proof, name);
    for (const proof of Object.keys(fault.proof)) assert.ok(proof in PROOFS || PARAMETERS.includes(proof) || (proof === 'page' && fault.browser), `${name}: ${proof}`);
  }
});
