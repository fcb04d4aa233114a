// Parlance and its peers, one after the other and round after round, under the same load: `make bench`.
//
//   node benches/run.mjs [--library] [--quick] [--rounds N] [--servers A,B] [--works A,B]
//
// Without `--library` the servers are the chat and its peers; with it, servers on the library and its peers do what
// library/works.mjs says: `make bench-library`.
//
// Each server runs on one core and the generator on another. A server is started afresh for each run, and the servers of one
// work take turns, so that whatever else the machine does meets all of them. What is printed are medians over the rounds,
// with their spread, the ratios to Parlance, and under each table which of the figures to reach are reached. Every run counts
// its deliveries: one that loses, doubles or swaps any is marked. The exit code is 1 if one of Parlance's is, or could not be
// made; never for want of speed. `--quick` checks just that, with Parlance alone, and takes a minute. With
// WRITE_DOCS=1 in the environment, the library's figures go into docs/benchmarks.md.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as library from './library/works.mjs';
import { accepts, freePort } from './ports.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { values: options } = parseArgs({
  options: { library: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false }, rounds: { type: 'string' }, servers: { type: 'string' }, works: { type: 'string' } },
});
const ROUNDS = Number(options.rounds ?? (options.quick ? 1 : 3));

const LOADGEN = here('loadgen/target/release/loadgen');
const peer = (name) => here(`peers/target/release/${name}`);
const NODE = here('peers/node/chat.js');

/** The quick form looks at exactness alone, which any build has. */
const PARLANCE = process.env.PARLANCE_BIN ?? here(`../target/${options.quick ? 'debug' : 'release'}/parlance`);

/** A load is one address with more clients than an address is to have. */
const UNBOUNDED = ['--max-sessions', '0', '--max-sessions-per-address', '0', '--max-connections-per-address', '0', '--handshake-rate', '0'];

/** How each is started; the port comes by PORT, or in place of PORT among the arguments. */
const CHAT_SERVERS = {
  parlance: { command: [PARLANCE, '--host', '127.0.0.1', '--port', 'PORT', '--message-rate', '0', '--byte-rate', '0', '--breaker-failures', '0', '--duplicate-names', 'true', '--leave-delay', '0', ...UNBOUNDED, '--log', 'error'], polls: true },
  socketioxide: { command: [peer('sio')], polls: true },
  'node ws': { command: [process.execPath, NODE], env: { ENGINE: 'ws' }, polls: true },
  'node eiows': { command: [process.execPath, NODE], env: { ENGINE: 'eiows' }, polls: true },
  'bare epoll': { command: [peer('raw-epoll')] },
  'bare epoll, joined writes': { command: [peer('raw-epoll')], env: { BATCH: '1' } },
  'bare tokio, joined writes': { command: [peer('raw-tokio')] },
  'bare tungstenite': { command: [peer('tungstenite')] },
};

const fanout = (clients, senders, rate, more = []) => ['fanout', '--spin', '--clients', clients, '--senders', senders, '--rate', rate, ...more, '--warmup', 1];
/** One message after the other: nothing shares a write, and nobody pays for waking up. */
const room = (clients) => fanout(clients, 1, 'max', ['--inflight', 1, '--duration', 3]);
const DELIVERY = { figure: 'srv_cpu_us_per_delivery', unit: 'µs/delivery', also: ['lat_p50_us', 'lat_p99_us'] };
const THROUGHPUT = { figure: 'deliveries_per_s', unit: 'deliveries/s', more: true, also: ['srv_cpu_us_per_delivery'] };
const MEMORY = { figure: 'rss_per_conn_kib', unit: 'KiB/session', also: ['rss_per_conn_end_kib'] };
const RELAXED = { figure: 'rss_per_conn_end_kib', unit: 'KiB/session', also: ['rss_per_conn_kib', 'rss_per_conn_burst_kib', 'rss_end_ratio', 'srv_cpu_s_per_min'] };
const CYCLE = { figure: 'srv_cpu_us_per_conn', unit: 'µs/cycle', also: ['cycle_p50_us'] };
const POLLING = ['--transport', 'polling'];
const PEERS = ['parlance', 'socketioxide', 'node ws', 'node eiows'];
const SMALL = ['parlance', 'socketioxide'];
const PLAIN = ['bare epoll', 'bare tokio, joined writes', 'bare tungstenite'];
const BARE = [...PLAIN, 'bare epoll, joined writes'];

/**
 * What is measured; `args` are of loadgen. `quick` are those of the quick form. `together` has all servers measured
 * at once, which memory does not mind.
 */
const CHAT_WORKS = {
  'ws 20/s': { args: fanout(1000, 10, 20, ['--duration', 4]), ...DELIVERY, servers: [...PEERS, ...PLAIN], quick: fanout(100, 5, 20, ['--duration', 2]) },
  'ws room of 100': { args: room(100), ...DELIVERY, rounds: 2, servers: ['parlance', 'bare epoll'] },
  'ws room of 1000': { args: room(1000), ...DELIVERY, rounds: 2, servers: ['parlance', 'bare epoll'] },
  'ws room of 10000': { args: room(10000), ...DELIVERY, rounds: 2, servers: ['parlance', 'bare epoll'] },
  'ws saturated': { args: fanout(1000, 10, 'max', ['--inflight', 10, '--duration', 3]), ...THROUGHPUT, quick: fanout(100, 10, 'max', ['--inflight', 10, '--duration', 2]) },
  'ws 500 in flight': { args: fanout(200, 10, 'max', ['--inflight', 500, '--duration', 3]), ...THROUGHPUT, rounds: 2, servers: SMALL, quick: fanout(50, 10, 'max', ['--inflight', 500, '--duration', 2]) },
  'polling 10/s': { args: fanout(200, 5, 10, [...POLLING, '--duration', 4]), ...DELIVERY, servers: PEERS, quick: fanout(50, 5, 10, [...POLLING, '--duration', 2]) },
  'polling saturated': { args: fanout(200, 5, 'max', [...POLLING, '--inflight', 5, '--duration', 3]), ...THROUGHPUT, servers: PEERS, quick: fanout(50, 5, 'max', [...POLLING, '--inflight', 5, '--duration', 2]) },
  'ws idle': { args: ['idle', '--clients', 10000, '--settle', 3, '--hold', 2], ...MEMORY, rounds: 1, servers: [...PEERS, ...PLAIN], quick: ['idle', '--clients', 500, '--settle', 1, '--hold', 1] },
  'ws idle after a burst': { args: ['idle', '--clients', 2000, '--settle', 3, '--burst', 4, '--inflight', 50, '--hold', 60], ...RELAXED, rounds: 1, servers: PEERS, together: true, quick: ['idle', '--clients', 200, '--settle', 1, '--burst', 2, '--inflight', 50, '--hold', 1] },
  'polling idle': { args: ['idle', ...POLLING, '--clients', 5000, '--settle', 3, '--hold', 2], ...MEMORY, rounds: 1, servers: PEERS, quick: ['idle', ...POLLING, '--clients', 200, '--settle', 1, '--hold', 1] },
  'ws churn': { args: ['churn', '--spin', '--concurrency', 20, '--warmup', 1, '--duration', 3], ...CYCLE, servers: [...PEERS, 'bare tokio, joined writes', 'bare tungstenite'], quick: ['churn', '--spin', '--concurrency', 5, '--warmup', 1, '--duration', 2] },
  'polling churn': { args: ['churn', '--spin', ...POLLING, '--concurrency', 20, '--think', 0.02, '--warmup', 1, '--duration', 3], ...CYCLE, servers: PEERS, quick: ['churn', '--spin', ...POLLING, '--concurrency', 5, '--think', 0.02, '--warmup', 1, '--duration', 2] },
};

const atMost = (factor, ...than) => ({ factor, than });
const atLeast = (factor, ...than) => ({ factor, than, least: true });
const P99 = { ...atMost(1, 'socketioxide', 'node ws', 'node eiows'), key: 'lat_p99_us' };

/**
 * The figures to reach, of Parlance's medians: a `factor` of the best of `than`, or that number itself where there is nothing
 * to compare with. `key` is another figure than the one of the work. With `flat`, `factor` is how many times the least of
 * these works' figures the greatest may be.
 */
const CHAT_TARGETS = {
  'ws 20/s': [atMost(1.2, 'bare epoll'), atMost(0.75, 'socketioxide'), atMost(0.55, 'node ws'), P99],
  'ws room of 10000': [{ factor: 1.2, flat: ['ws room of 100', 'ws room of 1000', 'ws room of 10000'] }],
  'ws saturated': [atLeast(0.9, ...BARE), atLeast(1.4, 'socketioxide'), atLeast(10, 'node ws')],
  'polling 10/s': [atMost(0.65, 'socketioxide'), P99],
  'polling saturated': [atLeast(1.5, 'socketioxide')],
  'ws idle': [atMost(5)],
  'ws idle after a burst': [{ ...atMost(1.2), key: 'rss_end_ratio' }],
  'polling idle': [atMost(7)],
  'ws churn': [atMost(0.75, 'socketioxide')],
  'polling churn': [atMost(0.75, 'socketioxide')],
};

const { SERVERS, WORKS, TARGETS } = options.library ? library : { SERVERS: CHAT_SERVERS, WORKS: CHAT_WORKS, TARGETS: CHAT_TARGETS };

/** The counts that must be 0. */
const FAULTS = ['lost', 'warm_lost', 'dup', 'out_of_order', 'bad', 'self_echo', 'foreign', 'stray', 'unheard', 'failed', 'drops'];

/** The cores that this process may use. */
const CORES = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1].split(',').flatMap((range) => {
  const [first, last = first] = range.split('-').map(Number);
  return Array.from({ length: last - first + 1 }, (_, n) => first + n);
});
const pinned = (nth, command) => (CORES.length > 1 ? ['taskset', '-c', String(CORES[nth]), ...command] : command);

/** One run: a fresh server, one load, what the generator counted. */
async function measure(name, args) {
  const { command, env } = SERVERS[name];
  const port = await freePort();
  const line = pinned(0, command.map((part) => (part === 'PORT' ? String(port) : part)));
  const child = spawn(line[0], line.slice(1), { stdio: 'ignore', env: { ...process.env, ...env, PORT: String(port) } });
  const gone = once(child, 'exit');
  try {
    await accepts(port, child);
    const load = pinned(1, [LOADGEN, ...args.map(String), '--pid', String(child.pid)]);
    const generator = spawn(load[0], load.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TARGET: `127.0.0.1:${port}` } });
    let [out, err] = ['', ''];
    generator.stdout.setEncoding('utf8').on('data', (text) => (out += text));
    generator.stderr.setEncoding('utf8').on('data', (text) => (err += text));
    const [code] = await once(generator, 'close');
    if (!out.trim()) throw new Error(`the generator said nothing (${code}): ${err}`);
    return { ...JSON.parse(out.trim().split('\n').at(-1)), code };
  } finally {
    child.kill('SIGKILL');
    await gone;
  }
}

/** What was wrong with a run; the generator knows of more than it counts. */
function faultsOf(result) {
  const faults = FAULTS.filter((name) => result[name] > 0).map((name) => `${result[name]} ${name.replaceAll('_', ' ')}`);
  return faults.length === 0 && result.code !== 0 ? [`exit code ${result.code}${result.errors ? `: ${result.errors}` : ''}`] : faults;
}

const sorted = (values) => [...values].sort((a, b) => a - b);
function median(values) {
  const [ascending, half] = [sorted(values), values.length / 2];
  return (ascending[Math.ceil(half) - 1] + ascending[Math.floor(half)]) / 2;
}
const shown = (value) => (value === undefined ? '' : value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3));

function table(title, work, results) {
  const own = results.parlance && median(results.parlance.map((result) => result[work.figure]));
  console.log(`\n### ${title}: ${work.unit}\n`);
  console.log(`| | median | spread | ${work.more ? 'Parlance / it' : 'it / Parlance'} | ${work.also.join(' | ')} | faults |`);
  console.log(`|---|---|---|---|${work.also.map(() => '---|').join('')}---|`);
  for (const [name, runs] of Object.entries(results)) {
    const figures = runs.map((result) => result[work.figure]);
    const [low, high] = [sorted(figures)[0], sorted(figures).at(-1)];
    const ratio = own ? (work.more ? own / median(figures) : median(figures) / own) : undefined;
    const also = work.also.map((key) => shown(median(runs.map((result) => result[key]))));
    const faults = runs.flatMap(faultsOf).join(', ') || 'none';
    console.log(`| ${name} | ${shown(median(figures))} | ${shown(low)}–${shown(high)} | ${ratio?.toFixed(2) ?? ''} | ${also.join(' | ')} | ${faults} |`);
  }
}

/** Which of a work's figures to reach are reached; `all` are the results of all works so far. */
function verdicts(title, all) {
  const { figure, unit } = WORKS[title];
  const known = (values) => values.filter((value) => value !== undefined);
  const of = (work, name, key) => all[work]?.[name] && median(all[work][name].map((result) => result[key]));
  return (TARGETS[title] ?? []).map(({ factor, than = [], least, flat, key = figure }) => {
    const what = key === figure ? unit : key;
    if (flat) {
      const spread = (name) => {
        const figures = known(flat.map((work) => of(work, name, key)));
        return figures.length === flat.length ? Math.max(...figures) / Math.min(...figures) : undefined;
      };
      const [own, floor] = [spread('parlance'), spread('bare epoll')];
      const text = `${what}, greatest / least of ${flat.join(', ')} ≤ ${factor}`;
      return own ? { text: `${text}: ${shown(own)}${floor ? ` (bare epoll: ${shown(floor)})` : ''}`, outcome: own <= factor ? 'reached' : 'missed' } : { text, outcome: 'not measured' };
    }
    const [own, others] = [of(title, 'parlance', key), known(than.map((name) => of(title, name, key)))];
    const compared = than.length > 1 ? ` × the best of: ${than.join('; ')}` : than.length ? ` × ${than[0]}` : '';
    const text = `${what} ${least ? '≥' : '≤'} ${factor}${compared}`;
    if (own === undefined || (than.length && !others.length)) return { text, outcome: 'not measured' };
    const bound = factor * (than.length ? (least ? Math.max : Math.min)(...others) : 1);
    return { text: `${text}: ${shown(own)}, bound ${shown(bound)}`, outcome: (least ? own >= bound : own <= bound) ? 'reached' : 'missed' };
  });
}

function present(name) {
  const [program] = SERVERS[name].command;
  // a native module, which its installation compiles where it can
  if (name === 'node eiows') return spawnSync(process.execPath, ['-e', "require('eiows')"], { cwd: here('peers/node'), stdio: 'ignore' }).status === 0;
  return existsSync(program);
}

const chosen = (list, all) => (list ? list.split(',') : all);
const works = chosen(options.works, Object.keys(WORKS)).filter((title) => !options.quick || WORKS[title].quick);
const names = options.quick ? ['parlance'] : chosen(options.servers, Object.keys(SERVERS));
const there = names.filter(present);
for (const name of names.filter((name) => !there.includes(name))) console.error(`left out: ${name}, which is not there, or does not run`);

const began = Date.now();
const place = `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model} × ${CORES.length}, Node ${process.version}, ${execFileSync('uname', ['-sr']).toString().trim()}; ${ROUNDS} rounds`;
console.log(place);
let faulty = names.includes('parlance') && !there.includes('parlance') ? 1 : 0;
const [all, outcomes] = [{}, []];
for (const title of works) {
  const work = WORKS[title];
  const results = (all[title] = {});
  const run = async (name) => {
    try {
      const result = await measure(name, options.quick ? work.quick : work.args);
      (results[name] ??= []).push(result);
      if (name === 'parlance') faulty += faultsOf(result).length;
    } catch (error) {
      console.error(`${title}, ${name}: ${error.message}`);
      if (name === 'parlance') faulty += 1;
    }
  };
  for (let round = 0; round < Math.min(ROUNDS, work.rounds ?? ROUNDS); round += 1) {
    const turns = there.filter((name) => (work.servers ?? there).includes(name));
    if (work.together) await Promise.all(turns.map(run));
    else for (const name of turns) await run(name);
  }
  table(title, work, Object.fromEntries(there.filter((name) => results[name]).map((name) => [name, results[name]])));
  if (options.quick || !results.parlance) continue;
  const exact = results.parlance.every((result) => faultsOf(result).length === 0);
  console.log();
  for (const { text, outcome } of [{ text: 'order and loss exact', outcome: exact ? 'reached' : 'missed' }, ...verdicts(title, all)]) {
    console.log(`- ${outcome}: ${text}`);
    outcomes.push({ title, text, outcome });
  }
}
if (outcomes.length) {
  const missed = outcomes.filter(({ outcome }) => outcome !== 'reached');
  console.log(`\n${outcomes.length - missed.length} of ${outcomes.length} figures reached${missed.length ? '; not these:' : ''}\n`);
  for (const { title, text, outcome } of missed) console.log(`- ${title}, ${outcome}: ${text}`);
}
if (options.library && process.env.WRITE_DOCS) library.write(place, all, outcomes, { faultsOf, median, shown, sorted });
console.log(`\n${((Date.now() - began) / 60_000).toFixed(1)} minutes`);
if (faulty) {
  console.error(`${faulty} faults`);
  process.exit(1);
}
