// The page's reader of the table of causes comes to what the server's comes to.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { it } from 'node:test';
import { parse } from 'acorn';
import { served } from './lib/client.mjs';

const vectors = JSON.parse(readFileSync(new URL('../../src/diagnosis/causes/vectors.json', import.meta.url), 'utf8'));
const script = await served('parlance-causes.js');
const root = {};
runInNewContext(script, { window: root });
const { diagnose } = root.ParlanceCauses;

it('is ES3, table and all', () => {
  parse(script, { ecmaVersion: 3, allowReserved: 'never' });
});

it(`names the causes of ${vectors.length} sets of facts as the server does`, () => {
  assert.ok(vectors.length > 100);
  for (const { facts, ...expected } of vectors) {
    const { cause, certainty, evidence } = diagnose(facts);
    assert.deepEqual({ cause, certainty, evidence }, expected, JSON.stringify(facts));
  }
});

it('says what is known where no rule fits, and takes a text for no number', () => {
  const { cause, certainty, evidence } = diagnose({ ms: 3, code: 'odd', left: undefined });
  assert.deepEqual([cause, certainty, evidence], ['unknown', 'unknown', 'code=odd, ms=3']);
  assert.equal(diagnose({ 'server-late-ms': '5000' }).cause, 'unknown');
  assert.equal(diagnose({ 'server-late-ms': 5000 }).cause, 'server-slow');
});
