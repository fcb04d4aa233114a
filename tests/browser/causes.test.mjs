// The page's reader of the table of causes comes to what the server's comes to.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { it } from 'node:test';
import { parse } from 'acorn';
import { served } from './lib/client.mjs';

const read = (name) => readFileSync(new URL(`../../src/diagnosis/${name}`, import.meta.url), 'utf8');
const vectors = JSON.parse(read('causes/vectors.json'));
const script = await served('parlance-causes.js');
const reader = (text) => {
  const root = {};
  runInNewContext(text, { window: root });
  return root.ParlanceCauses.diagnose;
};
const diagnose = reader(script);
/** The same reader with the table in full. */
const inFull = reader(read('causes.js').replace('/*causes*/[]/*end*/', read('causes.json')));
/** What pages know; of a refusal, the server has the text from itself. */
const known = [...read('of_clients.rs').matchAll(/^ +"([\w-]+)",$/gm)].map(([, name]) => name).concat('refusal', 'refusal-text');

it('is ES3, table and all', () => {
  parse(script, { ecmaVersion: 3, allowReserved: 'never' });
});

it(`names the causes of ${vectors.length} sets of facts as the server does`, () => {
  assert.ok(vectors.length > 100);
  for (const { facts, ...expected } of vectors) {
    const { cause, certainty, evidence } = inFull(facts);
    assert.deepEqual({ cause, certainty, evidence }, expected, JSON.stringify(facts));
  }
});

it('lacks nothing that a page can come to, and has nothing else', () => {
  assert.ok(known.length > 20);
  const causes = new Set();
  for (const { facts } of vectors) {
    const seen = Object.fromEntries(Object.entries(facts).filter(([name]) => known.includes(name)));
    assert.deepEqual({ ...diagnose(seen) }, { ...inFull(seen) }, JSON.stringify(seen));
    causes.add(diagnose(seen).cause);
  }
  for (const name of ['mixed-content', 'server-full', 'several-servers', 'sign-in-page', 'idle-timeout', 'stream-buffered']) assert.ok(causes.has(name), name);
  for (const fact of ['tls', 'upgrade-fault', 'websocket-end', 'upgrade-seen']) assert.ok(!script.includes(`"${fact}"`), fact);
});

it('says what is known where no rule fits, and takes a text for no number', () => {
  const { cause, certainty, evidence } = diagnose({ ms: 3, code: 'odd', left: undefined });
  assert.deepEqual([cause, certainty, evidence], ['unknown', 'unknown', 'code=odd, ms=3']);
  assert.equal(diagnose({ cuts: '5', 'cuts-silent-ms': 2000 }).cause, 'unknown');
  assert.equal(diagnose({ cuts: 5, 'cuts-silent-ms': 2000 }).cause, 'idle-timeout');
});
