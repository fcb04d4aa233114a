// The library's benchmark: which servers, what is measured, and the figures to reach. `../run.mjs --library` runs it.

import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export const SERVERS = {
  // the quick form looks at exactness alone, which any build has
  parlance: { command: [here(`../../target/${process.argv.includes('--quick') ? 'debug' : 'release'}/examples/library_bench`)] },
  socketioxide: { command: [here('../peers/target/release/sio-library')] },
  node: { command: [process.execPath, here('../peers/node/library.js')] },
};

const rooms = (clients, count, stride, inflight, duration = 2) => ['fanout', '--spin', '--clients', clients, '--rooms', count, '--stride', stride, '--inflight', inflight, '--warmup', 1, '--duration', duration];
const changes = (clients, count, duration = 2) => ['changes', '--spin', '--clients', clients, '--rooms', count, '--duration', duration];
const asks = (clients, duration = 2) => ['asks', '--spin', '--clients', clients, '--duration', duration];
const idle = (clients, count) => ['idle', '--clients', clients, '--rooms', count, '--settle', 2, '--hold', 1];

const DELIVERY = { figure: 'srv_cpu_us_per_delivery', unit: 'µs/delivery', also: ['deliveries_per_s', 'lat_p50_us'] };
const CHANGE = { figure: 'srv_cpu_us_each', unit: 'µs/change', also: ['done_per_s'] };
const TRIP = { figure: 'srv_cpu_us_each', unit: 'µs/round trip', also: ['done_per_s', 'trip_p50_us'] };
const MEMORY = { figure: 'rss_per_conn_kib', unit: 'KiB/socket', also: ['rss_peak_per_conn_kib'], rounds: 1 };

/** `args` are of loadgen, `quick` are those of the quick form. */
export const WORKS = {
  'room of 1000 among 10000': { ...DELIVERY, args: rooms(10_000, 1, 10, 1), quick: rooms(500, 1, 5, 1, 1) },
  'room of 1000 with ten in flight': { ...DELIVERY, args: rooms(10_000, 1, 10, 10) },
  '1000 rooms of 10': { ...DELIVERY, args: rooms(10_000, 1000, 1000, 10), quick: rooms(500, 40, 50, 10, 1) },
  'join and leave': { ...CHANGE, args: changes(1000, 1), quick: changes(100, 1, 1) },
  'join and leave ten at once': { ...CHANGE, args: changes(1000, 10) },
  'emit_with_ack': { ...TRIP, args: asks(100), quick: asks(20, 1) },
  'idle in no room': { ...MEMORY, args: idle(10_000, 0) },
  'idle in 1 room': { ...MEMORY, args: idle(10_000, 1) },
  'idle in 10 rooms': { ...MEMORY, args: idle(10_000, 10), quick: idle(500, 10) },
};

const SPEED = [{ factor: 0.7, than: ['socketioxide'] }, { factor: 1, than: ['node'] }];
const SIZE = [{ factor: 0.5, than: ['socketioxide'] }, { factor: 1, than: ['node'] }];

/** As in `../run.mjs`. */
export const TARGETS = Object.fromEntries(Object.entries(WORKS).map(([title, { unit }]) => [title, unit === MEMORY.unit ? SIZE : SPEED]));

const PAGE = here('../../docs/benchmarks.md');
const [BEGIN, END] = ['<!-- written by make bench-library -->', '<!-- end of what is written -->'];

/** Puts the figures into docs/benchmarks.md. `all` has the results of each work, of each server. */
export function write(place, all, outcomes, { faultsOf, median, shown, sorted }) {
  const names = Object.keys(SERVERS);
  const faults = [];
  const rows = Object.entries(all).map(([title, results]) => {
    const { figure, unit } = WORKS[title];
    const figures = (name) => results[name]?.map((result) => result[figure]);
    const cell = (name) => {
      const own = figures(name);
      if (!own) return 'not measured';
      const ascending = sorted(own);
      return shown(median(own)) + (own.length > 1 ? ` (${shown(ascending[0])}–${shown(ascending.at(-1))})` : '');
    };
    const ratio = (name) => (results[name] && results.parlance ? (median(figures('parlance')) / median(figures(name))).toFixed(2) : '');
    for (const name of names) {
      const found = (results[name] ?? []).flatMap(faultsOf);
      if (found.length) faults.push(`- ${title}, ${name}: ${found.join(', ')}`);
    }
    return `| ${title} | ${unit} | ${names.map(cell).join(' | ')} | ${ratio('socketioxide')} | ${ratio('node')} |`;
  });
  const missed = outcomes.filter(({ outcome }) => outcome !== 'reached');
  const text = [
    `${place}; one-minute load of the machine at the end ${loadavg()[0].toFixed(1)}; \`WRITE_DOCS=1 node benches/run.mjs ${process.argv.slice(2).join(' ')}\`.`,
    '',
    '| Work | Unit | Parlance | socketioxide | Node | Parlance / socketioxide | Parlance / Node |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
    `${outcomes.length - missed.length} of ${outcomes.length} targets are reached.${missed.length ? ' Not these:' : ''}`,
    ...missed.map(({ title, text, outcome }) => `- ${title}, ${outcome}: ${text}`),
    ...(faults.length ? ['', 'Faults that the generator counted:', ...faults] : []),
  ];
  const page = readFileSync(PAGE, 'utf8');
  const [before, after] = [page.split(BEGIN)[0], page.split(END)[1]];
  writeFileSync(PAGE, `${before}${BEGIN}\n${text.join('\n')}\n${END}${after}`);
}
