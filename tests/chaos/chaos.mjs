// Does all faults to all adapters, and prints a table: make chaos. FAULT and ADAPTER name some of them, by parts of their names;
// FORM=short has short times.

import { ADAPTERS, FAULTS } from './faults.mjs';
import { run } from './lib/run.mjs';
import { complaints } from './lib/promises.mjs';

const { FAULT = '', ADAPTER = '', FORM = 'full', AT_ONCE = '3' } = process.env;
const cells = Object.keys(FAULTS).filter((name) => name.includes(FAULT)).flatMap((name) => ADAPTERS.filter((it) => it === ADAPTER || !ADAPTER).map((adapter) => ({ name, adapter })));
let next = 0;
let bad = 0;

async function strand() {
  while (next < cells.length) {
    const cell = cells[next++];
    try {
      cell.result = await run(FAULTS[cell.name], cell.adapter, FORM);
      cell.wrong = complaints(FAULTS[cell.name], cell.adapter, cell.result);
    } catch (error) {
      cell.wrong = [error.stack];
    }
    console.error(`${cell.wrong.length ? 'WRONG' : 'ok'}: ${cell.name}, ${cell.adapter}`);
    if (cell.wrong.length) { bad += 1; console.error(`  ${cell.wrong.join('\n  ')}`); }
  }
}
await Promise.all(Array.from({ length: Number(AT_ONCE) }, strand));

console.log('| Fault | Adapter | Said | Lost | of these outside of the outage | Doubled | Out of order | Missed, as the nodes count | Outage |');
console.log('|---|---|---|---|---|---|---|---|---|');
for (const { name, adapter, result: it } of cells) {
  const numbers = it ? [it.said, it.lost, it.outside, it.doubled, it.disordered, it.missed, `${it.seconds.toFixed(1)} s`] : ['failed'];
  console.log(`| ${[name, adapter, ...numbers].join(' | ')} |`);
}
process.exit(bad ? 1 : 0);
