// What the surfaces are held against is complete, and held against it rightly. `make surfaces` looks at the surfaces.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { EXPECTATIONS, SURFACES } from './expectations.mjs';
import { FAULTS } from './faults.mjs';
import { causesIn, expected, judge } from './lib/judge.mjs';

it('there is an expectation for each fault, and a reason for each exception', () => {
  assert.deepEqual(Object.keys(EXPECTATIONS).sort(), Object.keys(FAULTS).sort());
  for (const [name, expectation] of Object.entries(EXPECTATIONS)) {
    for (const [surface, { causes, because }] of Object.entries(expectation.except ?? {})) {
      assert.ok(SURFACES.includes(surface) && causes && because, `${name}: ${surface}`);
    }
    if (FAULTS[name].harmless) for (const surface of SURFACES) assert.deepEqual(expected(expectation, surface).causes, [], name);
  }
});

it('a verdict needs a true cause, and no false one', () => {
  const expectation = { causes: ['a', 'b'], also: ['c'], except: { log: { causes: [], because: 'it cannot know' } } };
  const named = (...causes) => causes.map((cause) => ({ cause, certainty: 'likely' }));
  const verdicts = [
    ['panel', [], 'unknown'],
    ['panel', named('a'), 'right'],
    ['panel', named('b', 'c', 'resting'), 'right'],
    ['panel', named('c'), 'unknown'],
    ['panel', named('unknown'), 'unknown'],
    ['panel', named('a', 'x'), 'wrong'],
    ['panel', [{ cause: 'x', certainty: 'certain' }, ...named('a')], 'wrong for certain'],
    ['panel', [{ cause: 'x', certainty: 'unknown' }], 'unknown'],
    ['log', [], 'right'],
    ['log', named('a'), 'wrong'],
    ['log', named('unknown'), 'right'],
  ];
  for (const [surface, said, verdict] of verdicts) assert.equal(judge(expectation, surface, said), verdict, `${surface} ${JSON.stringify(said)}`);
  assert.deepEqual(causesIn([{ sid: 'x', cause: 'a' }, { sid: 'y', cause: 'b' }], ({ sid }) => sid === 'x').map(({ cause }) => cause), ['b']);
  assert.deepEqual(causesIn({ list: [{ verdict: { cause: 'a', certainty: 'certain' } }, null, 1], cause: 'b' }).map(({ cause }) => cause), ['b', 'a']);
});
