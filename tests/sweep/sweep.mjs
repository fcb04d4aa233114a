// Every published version of socket.io-client, over every transport that it has, in Node and in a browser; and other
// clients. Writes what it saw into docs/clients.md. README.md says how to run it.

import { fileURLToPath } from 'node:url';
import { inParallel, Kept, versionsOf } from './lib/cache.mjs';
import { inItsOwn, OTHERS, otherCells, OTHER_HEAD } from './lib/others.mjs';
import { cellsOf, closeBrowser, HEAD, inBrowser, inNode, install } from './lib/published.mjs';
import { fold, markdown, Notes, writeBetween } from './lib/table.mjs';
import { openWorld } from './lib/world.mjs';

const PAGE = fileURLToPath(new URL('../../docs/clients.md', import.meta.url));
/** Visits at once: most of their time they wait. */
const WIDTH = Number(process.env.SWEEP_WIDTH ?? 6);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1)); // ends what it has started, too
const wanted = process.argv[2]?.split(',') ?? [];
const isWanted = (name) => wanted.length === 0 || wanted.some((part) => name === part || name.startsWith(`${part}.`) || name.startsWith(`${part} `));

const versions = await versionsOf('socket.io-client');
const chosen = versions.filter(isWanted);
const others = OTHERS.filter(({ name }) => isWanted(name));
const kept = new Kept();

console.log(`installing ${chosen.length} versions`);
await inParallel(chosen, 4, install);

const world = await openWorld();
await inParallel(chosen, WIDTH, async (version) => {
  const result = { node: await inNode(world, version), browser: await inBrowser(world, version) };
  for (const [place, wires] of Object.entries(result)) tell(`${version} in ${place}`, wires);
  kept.put(version, result);
});
const text = await openWorld(['--eio3-polls', 'text']);
await inParallel(others, WIDTH, async (other) => {
  const result = await inItsOwn(other.needsText ? text : world, other);
  tell(other.name, result);
  kept.put(other.name, result);
});
await closeBrowser();
await Promise.all([world.close(), text.close()]);

write('published versions', HEAD, fold, versions, cellsOf);
write('other clients', OTHER_HEAD, (entries) => entries.map(([name, cells]) => [name, ...cells]), OTHERS.map(({ name }) => name), otherCells);
process.exit(0);

function tell(who, wires) {
  for (const [wire, { failed, node }] of Object.entries(wires)) {
    const words = Object.entries(failed).map(([step, why]) => `${step}: ${why}`);
    console.log(`${who}, ${wire}${node ? `, Node ${node}` : ''}: ${words.join('; ') || 'ok'}`);
  }
}

/** Writes a table, from results of now and of earlier; those of all must be there. */
function write(place, head, arrange, names, cellsFor) {
  const missing = names.filter((name) => !kept.get(name));
  if (missing.length) return console.log(`${place}: not written, without results of ${missing.join(', ')}`);
  const notes = new Notes();
  const rows = arrange(names.map((name) => [name, cellsFor(name, kept.get(name), notes)]));
  writeBetween(PAGE, place, `${names.length} in all.\n\n${markdown(head, rows)}\n\n${notes}`.trim());
}
