// What metrics cost a delivery: two builds, one of which counts nothing, under the same load at the same time.
//
//   cargo build --release && cp target/release/parlance /tmp/metered
//   cargo build --release --features unmetered && cp target/release/parlance /tmp/unmetered
//   node benches/metrics.mjs /tmp/metered /tmp/unmetered [--rounds N]
//
// Wants the load generator (make bench-tools). Each round starts both servers anew, on one core that they share, and for each
// a generator, on another core: so whatever else the machine does meets both. The figure is CPU time of a server's process,
// user and system, by each delivery. Prints the medians of the builds, and the median of what each round has for the first by
// the second.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { accepts, freePort } from './ports.mjs';

const { values: options, positionals: builds } = parseArgs({ allowPositionals: true, options: { rounds: { type: 'string', default: '9' } } });
if (builds.length !== 2) throw new Error('give two builds: one that counts, and one that does not');
const LOADGEN = process.env.LOADGEN ?? fileURLToPath(new URL('loadgen/target/release/loadgen', import.meta.url));
const FLAGS = ['--host', '127.0.0.1', '--message-rate', '0', '--byte-rate', '0', '--breaker-failures', '0', '--duplicate-names', 'true', '--leave-delay', '0', '--max-sessions', '0', '--max-sessions-per-address', '0', '--max-connections-per-address', '0', '--handshake-rate', '0', '--log', 'error'];
/** A write for each delivery; and as many deliveries as possible, which share writes. */
const LOADS = {
  '20 messages a second': ['--clients', 1000, '--senders', 10, '--rate', 20, '--warmup', 1, '--duration', 4],
  'ten in flight': ['--clients', 1000, '--senders', 10, '--rate', 'max', '--inflight', 10, '--warmup', 1, '--duration', 3],
};

/** Microseconds of the server's CPU by each delivery. */
async function measure(build, load) {
  const port = await freePort();
  const server = spawn('taskset', ['-c', '0', build, ...FLAGS, '--port', String(port)], { stdio: 'ignore' });
  const gone = once(server, 'exit');
  try {
    await accepts(port, server);
    const args = ['-c', '1', LOADGEN, 'fanout', ...load.map(String), '--pid', String(server.pid)];
    const generator = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, TARGET: `127.0.0.1:${port}` } });
    let out = '';
    generator.stdout.setEncoding('utf8').on('data', (text) => (out += text));
    const [code] = await once(generator, 'close');
    if (code !== 0) throw new Error(`the load failed: ${out}`);
    const { srv_cpu_us_per_delivery: cost } = JSON.parse(out.trim().split('\n').at(-1));
    return { cost };
  } finally {
    server.kill('SIGKILL');
    await gone;
  }
}

const sorted = (values) => values.toSorted((a, b) => a - b);
const median = (values) => (sorted(values)[(values.length - 1) >> 1] + sorted(values)[values.length >> 1]) / 2;
const [cpu] = readFileSync('/proc/cpuinfo', 'utf8').match(/(?<=model name\s*: ).*/) ?? ['a processor'];
console.log(`${cpu}; ${options.rounds} rounds; µs of CPU by each delivery: median, least, most`);
for (const [name, load] of Object.entries(LOADS)) {
  const rounds = [];
  for (let round = 0; round < Number(options.rounds); round += 1) {
    // who comes first changes
    const turns = round % 2 ? builds.toReversed() : builds;
    const results = await Promise.all(turns.map((build) => measure(build, load)));
    rounds.push(round % 2 ? results.toReversed() : results);
  }
  console.log(`\n${name}`);
  for (const [which, build] of builds.entries()) {
    const costs = rounds.map((results) => results[which].cost);
    console.log(`${build.padEnd(32)}${[median(costs), sorted(costs)[0], sorted(costs).at(-1)].map((cost) => cost.toFixed(4).padStart(9)).join('')}`);
  }
  const more = rounds.map(([first, second]) => (first.cost / second.cost - 1) * 100);
  console.log(`the first by the second: ${median(more).toFixed(2)} % more (${sorted(more).map((one) => one.toFixed(1)).join(', ')})`);
}
