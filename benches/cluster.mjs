// What a cluster costs: nodes of one chat over a Redis of its own, and beside them one node alone under the same load.
//
//   make setup build bench-tools && node benches/cluster.mjs [--adapter redis] [--clients 10000] [--rate 3] [--seconds 10]
//
// Everybody is in one room. Each node has so many clients that only listen; a few that send are at the first. The figures are
// CPU time, user and system, of a node's process by each delivery to its clients; and of a node without clients by each message.
// On each node one client more counts, so that a lost or a doubled message is seen.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { accepts, freePort } from './ports.mjs';

const { values: options } = parseArgs({
  options: {
    adapter: { type: 'string', default: 'redis' },
    clients: { type: 'string', default: '10000' },
    rate: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '10' },
  },
});
const WebSocket = createRequire(new URL('../tests/interop/package.json', import.meta.url))('ws');
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const PARLANCE = process.env.PARLANCE_BIN ?? here('../target/release/parlance');
const LOADGEN = process.env.LOADGEN ?? here('loadgen/target/release/loadgen');
const FLAGS = ['--host', '127.0.0.1', '--message-rate', '0', '--byte-rate', '0', '--breaker-failures', '0', '--duplicate-names', 'true', '--leave-delay', '0', '--max-sessions', '0', '--max-connections', '50000', '--max-sessions-per-address', '0', '--max-connections-per-address', '0', '--handshake-rate', '0', '--log', 'error'];
const TICK = 1 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const folder = mkdtempSync(`${tmpdir()}/parlance-cluster-`);
const children = [];

function start(command, args, more = {}) {
  const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'], ...more });
  children.push(child);
  return child;
}

async function node(flags) {
  const port = await freePort();
  const child = start(PARLANCE, [...FLAGS, '--port', String(port), ...flags]);
  await accepts(port, child);
  return { child, port };
}

/** Five clients of a node send so many messages a second together. Resolves when they have left. */
async function send(at, rate) {
  const args = ['--clients', 6, '--senders', 5, '--rate', rate, '--warmup', 0, '--duration', options.seconds, '--src-base', 9];
  const child = start(LOADGEN, ['fanout', '--target', `127.0.0.1:${at.port}`, '--pid', String(at.child.pid), ...args.map(String)]);
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`the load failed: ${out}`);
  return JSON.parse(out.trim().split('\n').at(-1));
}

/** Seconds of CPU that a process has taken. */
function cpu({ child }) {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}

/** How many files a node has open: connections, mostly. */
const files = ({ child }) => readdirSync(`/proc/${child.pid}/fd`).length;

/** A client that counts the messages of others. */
async function counter({ port }) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
  const seen = { messages: 0, close: () => socket.close() };
  await new Promise((joined) => {
    socket.onmessage = ({ data }) => {
      data = String(data);
      if (data[0] === '0') socket.send('40');
      else if (data.startsWith('40')) joined();
      else if (data === '2') socket.send('3');
      else if (data.startsWith('42["new message"')) seen.messages += 1;
    };
  });
  return seen;
}

/** Waits until something is so. */
async function until(what, is) {
  for (let tries = 0; !(await is()); tries += 1) {
    if (tries > 1200) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The CPU time that each of some nodes takes for a message that is sent at the first, while so many listen at each. */
async function measure(nodes, clients, rate) {
  const crowds = nodes.map((at, number) => start(LOADGEN, ['idle', '--target', `127.0.0.1:${at.port}`, '--clients', String(clients), '--hold', '600', '--src-base', String(2 + number)]));
  await until('everybody is there', () => nodes.every((at) => files(at) >= clients));
  const counters = await Promise.all(nodes.map(counter));
  const before = nodes.map(cpu);
  const { sent } = await send(nodes[0], rate);
  await until('all messages came', () => counters.every((it) => it.messages >= sent));
  const took = nodes.map((at, number) => ((cpu(at) - before[number]) / sent) * 1e6);
  if (counters.some((it) => it.messages !== sent)) throw new Error(`${sent} sent, ${counters.map((it) => it.messages)} came`);
  counters.forEach((it) => it.close());
  crowds.forEach((crowd) => crowd.kill());
  await until('everybody has left', () => nodes.every((at) => files(at) < clients / 2));
  return { sent, took };
}

try {
  const port = await freePort();
  const redis = start('redis-server', ['--port', String(port), '--save', '', '--appendonly', 'no', '--dir', folder]);
  await accepts(port, redis);
  const clients = Number(options.clients);
  const show = (name, value) => console.log(`${name.padEnd(46)} ${value.toFixed(2)} µs`);
  const alone = await node([]);
  const [local] = (await measure([alone], clients, options.rate)).took;
  alone.child.kill();
  show('one node alone, by each delivery', local / clients);

  const flags = ['--cluster', `redis://127.0.0.1:${port}`, '--cluster-adapter', options.adapter];
  const nodes = [await node(flags), await node(flags), await node(flags)];
  const { took } = await measure(nodes, clients, options.rate);
  took.forEach((cost, number) => show(`node ${number + 1} of 3 ${number ? '' : '(the senders\')'}, by each delivery`, cost / clients));
  const remote = Math.max(...took.slice(1));
  console.log(`a remote delivery by a local one: ${(remote / local).toFixed(3)} (bound 1.15)`);

  const [first, , empty] = nodes;
  const seen = await counter(first);
  const before = cpu(empty);
  const { sent } = await send(first, 1000);
  await until('all messages came', () => seen.messages >= sent);
  const each = ((cpu(empty) - before) / sent) * 1e6;
  show(`a node without clients, by each of ${sent} messages`, each);
  console.log(`bound 20 µs: ${each <= 20 ? 'reached' : 'missed'}`);
} finally {
  children.forEach((child) => child.kill('SIGKILL'));
  rmSync(folder, { recursive: true, force: true });
}
