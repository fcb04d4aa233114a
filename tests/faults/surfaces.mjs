// Each fault, and what each surface says of it, held against expectations.mjs:
//
//     node surfaces.mjs [--surfaces panel,log] [--at-once 6] [FAULT …]
//
// Prints a table, and writes all that was seen to target/faults.json. Exit code 1 if anything is wrong for certain, or
// fewer than 95 of 100 are right.

import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { EXPECTATIONS, SURFACES } from './expectations.mjs';
import { FAULTS } from './faults.mjs';
import { expected, judge } from './lib/judge.mjs';
import { startStage } from './lib/stage.mjs';
import { runCommand } from './lib/surfaces/command.mjs';
import { runTest, watchChat } from './lib/surfaces/page.mjs';
import { readLog, readTimelines } from './lib/surfaces/server.mjs';
import { startFaultBrowser } from './lib/visit.mjs';

/** No page of the server's is there. */
const NO_PAGE = ['certificate-of-another-name', 'certificate-expired', 'certificate-not-yet-valid', 'certificate-untrusted', 'mixed-content'];
const SHARE = 0.95;
const SERVER_MS = 25_000;
const OUTPUT = new URL('../../target/faults.json', import.meta.url);

const { values, positionals } = parseArgs({
  options: { surfaces: { type: 'string', default: SURFACES.join() }, 'at-once': { type: 'string', default: '6' } },
  allowPositionals: true,
});
const wanted = values.surfaces.split(',');
const names = positionals.length ? positionals : Object.keys(FAULTS);

/** What is done for each surface, on a stage of its own; those of the server are read behind the chat. */
const RUNS = [
  { surfaces: ['panel', 'log', 'timeline'], run: behindChat },
  { surfaces: ['diagnostics'], run: async (browser, stage) => ({ diagnostics: await runTest(browser, stage) }) },
  { surfaces: ['diagnose'], run: async (_, stage, { ask }) => ({ diagnose: await runCommand(stage, ask) }) },
];

async function behindChat(browser, stage, expectation) {
  const { meanwhile, ...panel } = await watchChat(browser, stage, expectation, () => askServer(stage, expectation));
  return { panel, ...meanwhile };
}

/** The server may know a moment later than the page, which comes back to tell it. */
async function askServer(stage, expectation) {
  const end = Date.now() + SERVER_MS;
  for (;;) {
    const said = { timeline: await readTimelines(stage), log: readLog(stage) };
    const isKnown = ([surface, { named = [] }]) => judge(expectation, surface, named) !== 'unknown';
    if (Object.entries(said).every(isKnown) || Date.now() > end) return said;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

async function look(browser, name) {
  const fault = FAULTS[name];
  const expectation = EXPECTATIONS[name];
  const said = {};
  for (const { surfaces, run } of RUNS) {
    const asked = surfaces.filter((surface) => wanted.includes(surface));
    if (!asked.length) continue;
    if (NO_PAGE.includes(name) && !surfaces.includes('diagnose')) continue;
    let stage;
    try {
      stage = await startStage(fault, { args: ['--log', 'debug', ...(expectation.watch?.server ?? [])] });
      const answers = await run(browser, stage, expectation);
      for (const surface of asked) said[surface] = answers[surface];
    } catch (error) {
      for (const surface of asked) said[surface] = { absent: `the run failed: ${error.message}` };
    } finally {
      await stage?.close();
    }
  }
  return Object.fromEntries(
    Object.entries(said).map(([surface, answer]) => {
      const named = answer.named ?? [];
      // a surface that is not there says nothing, which is not right by itself
      const verdict = answer.absent ? 'unknown' : judge(expectation, surface, named);
      return [surface, { verdict, expected: expected(expectation, surface), ...answer }];
    }),
  );
}

function cell({ verdict, named = [] }) {
  const causes = [...new Set(named.map(({ cause }) => cause))].join(', ');
  return causes ? `${verdict}: ${causes}` : verdict;
}

const browser = await startFaultBrowser();
const results = {};
const queue = [...names];
await Promise.all(
  Array.from({ length: Number(values['at-once']) }, async () => {
    for (let name = queue.shift(); name; name = queue.shift()) {
      results[name] = await look(browser, name);
      console.error(`${name}: ${wanted.map((surface) => results[name][surface]?.verdict ?? '-').join(' | ')}`);
    }
  }),
);
await browser.close();

mkdirSync(new URL('.', OUTPUT), { recursive: true });
writeFileSync(OUTPUT, JSON.stringify(results, null, 1));
console.log(`| Fault | ${wanted.join(' | ')} |\n|---|${wanted.map(() => '---|').join('')}`);
for (const name of names) console.log(`| ${name} | ${wanted.map((surface) => (results[name][surface] ? cell(results[name][surface]) : '')).join(' | ')} |`);
const counts = {};
for (const { verdict } of Object.values(results).flatMap(Object.values)) counts[verdict] = (counts[verdict] ?? 0) + 1;
const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
console.log(`\n${Object.entries(counts).map(([verdict, count]) => `${count} ${verdict}`).join(', ')}, of ${all}`);
process.exit((counts['wrong for certain'] ?? 0) > 0 || (counts.right ?? 0) < SHARE * all ? 1 : 0);
