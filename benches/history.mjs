// What it costs that a room remembers: CPU time by each delivery with and without a store, the answer to a login in a
// room with a long history, and what clients missed, for all of them at once.
//
//   make setup build bench-tools && node benches/history.mjs [--messages 100000] [--clients 1000] [--missed 1000]
//
// A server of its own for each part, with history in a new folder.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { accepts, freePort } from './ports.mjs';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    clients: { type: 'string', default: '1000' },
    missed: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
  },
});
const options = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]));
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const PARLANCE = process.env.PARLANCE_BIN ?? here('../target/release/parlance');
const LOADGEN = process.env.LOADGEN ?? here('loadgen/target/release/loadgen');
const WebSocket = createRequire(new URL('../tests/interop/package.json', import.meta.url))('ws');
const FLAGS = ['--host', '127.0.0.1', '--message-rate', '0', '--byte-rate', '0', '--breaker-failures', '0', '--duplicate-names', 'true', '--leave-delay', '0', '--max-sessions', '0', '--max-connections', '50000', '--max-sessions-per-address', '0', '--max-connections-per-address', '0', '--handshake-rate', '0', '--log', 'error'];
const TICK = 1 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const PATH = '/socket.io/?EIO=4&transport=websocket';
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Runs `work` with a server of these flags, which is pinned to the first core. */
async function withServer(flags, work) {
  const folder = mkdtempSync(join(tmpdir(), 'parlance-history-'));
  const port = await freePort();
  const env = { ...process.env };
  delete env.PARLANCE_DATA_DIR;
  const child = spawn('taskset', ['-c', '0', PARLANCE, ...FLAGS, '--port', String(port), ...flags], { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    await accepts(port, child);
    return await work({ port, pid: child.pid });
  } finally {
    child.kill('SIGTERM');
    await once(child, 'close');
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Seconds of CPU that a process has taken. */
function cpu({ pid }) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}

/** A figure of a process's memory in MiB: VmRSS now, VmHWM the most so far. */
function memory({ pid }, field) {
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

/** A client of Socket.IO 5 that says `add user` in the words of the page. */
async function connect({ port }, auth) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${PATH}`, { perMessageDeflate: false });
  const client = { socket, sid: undefined, pid: undefined, offset: undefined, answers: new Map(), asked: 0 };
  client.call = (...args) =>
    new Promise((resolve) => {
      const id = client.asked++;
      client.answers.set(id, resolve);
      socket.send(`42${id}${JSON.stringify(args)}`);
    });
  await new Promise((joined, failed) => {
    socket.onerror = failed;
    socket.onmessage = ({ data }) => {
      if (data[0] === '0') socket.send(`40${auth ? JSON.stringify(auth) : ''}`);
      else if (data === '2') socket.send('3');
      else if (data.startsWith('40')) joined(Object.assign(client, JSON.parse(data.slice(2))));
      else if (data.startsWith('43')) {
        const [, id, args] = /^43(\d+)(.*)$/s.exec(data);
        client.answers.get(Number(id))(JSON.parse(args)[0]);
        client.answers.delete(Number(id));
      } else if (data.startsWith('42')) client.offset = JSON.parse(data.slice(2)).at(-1);
    };
  });
  return client;
}

/** Says so many messages, the last of which is acknowledged. */
async function say(client, count) {
  for (let number = 1; number < count; number++) {
    client.socket.send(`42["new message","message ${number} of so many that were said while others were away, as long as most of them are"]`);
    if (client.socket.bufferedAmount > 1 << 20) await client.call('latency');
  }
  const { ok } = await client.call('new message', 'the last');
  if (!ok) throw new Error('the last message was refused');
}

/** CPU time by each delivery in a room, in microseconds. */
async function fanOut(flags) {
  return withServer(flags, async (server) => {
    const args = ['fanout', '--spin', '--target', `127.0.0.1:${server.port}`, '--pid', server.pid, '--clients', options.clients, '--senders', 10, '--rate', options.rate, '--warmup', 1, '--duration', options.seconds];
    const child = spawn('taskset', ['-c', '1', LOADGEN, ...args.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`the load failed: ${out}`);
    const figures = JSON.parse(out.trim().split('\n').at(-1));
    return (figures.srv_cpu_s * 1e6) / figures.received;
  });
}

async function store() {
  const without = [];
  const kept = [];
  for (let round = 0; round < options.rounds; round++) {
    without.push(await fanOut(['--data-dir', 'none', '--history', '0']));
    kept.push(await fanOut([]));
  }
  const ratios = kept.map((cost, at) => cost / without[at]);
  console.log(`delivery in a room of ${options.clients} at ${options.rate} messages/s: ${median(without).toFixed(2)} µs without a store, ${median(kept).toFixed(2)} µs with one, × ${median(ratios).toFixed(3)}`);
}

async function login() {
  await withServer([], async (server) => {
    const writer = await connect(server);
    await writer.call('add user', 'writer');
    const start = performance.now();
    await say(writer, options.messages);
    const written = performance.now() - start;
    const times = [];
    const before = cpu(server);
    const count = 300;
    for (let number = 0; number < count; number++) {
      const reader = await connect(server);
      const asked = performance.now();
      const answer = await reader.call('add user', `reader ${number}`, { page: 1 });
      times.push(performance.now() - asked);
      if (answer.messages.length !== 50) throw new Error(`${answer.messages.length} messages`);
      reader.socket.terminate();
    }
    times.sort((a, b) => a - b);
    const each = ((cpu(server) - before) * 1000) / count;
    console.log(`${options.messages} messages, written in ${(written / 1000).toFixed(1)} s; a login with the last 50 of them: ${times[count >> 1].toFixed(2)} ms, p99 ${times[Math.floor(count * 0.99)].toFixed(2)} ms until the answer is there, ${each.toFixed(2)} ms of CPU with its connection`);
  });
}

/** A connection that says it is back, and counts the frames that follow: resolves when there are so many events. */
function comeBack({ port }, auth, wanted) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    let kept = Buffer.alloc(0);
    let open = false;
    let events = 0;
    const send = (text) => {
      const body = Buffer.from(text);
      const head = body.length < 126 ? Buffer.from([0x81, 0x80 | body.length]) : Buffer.from([0x81, 0xfe, body.length >> 8, body.length & 255]);
      // A mask of zeros.
      socket.write(Buffer.concat([head, Buffer.alloc(4), body]));
    };
    socket.on('connect', () => socket.write(`GET ${PATH} HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed after ${events} events`)));
    socket.on('data', (data) => {
      kept = kept.length ? Buffer.concat([kept, data]) : data;
      let at = 0;
      if (!open) {
        const end = kept.indexOf('\r\n\r\n');
        if (end < 0) return;
        open = true;
        at = end + 4;
      }
      while (kept.length >= at + 4) {
        const short = kept[at + 1];
        const head = short < 126 ? 2 : short === 126 ? 4 : 10;
        const length = short < 126 ? short : short === 126 ? kept.readUInt16BE(at + 2) : Number(kept.readBigUInt64BE(at + 2));
        if (kept.length < at + head + length) break;
        const first = kept[at + head];
        const second = kept[at + head + 1];
        if (first === 0x30) send(`40${JSON.stringify(auth)}`);
        else if (first === 0x32) send('3');
        else if (first === 0x34 && second === 0x32) events += 1;
        at += head + length;
      }
      kept = kept.subarray(at);
      if (events >= wanted) {
        socket.removeAllListeners('close');
        resolve(() => socket.destroy());
      }
    });
  });
}

async function recovered() {
  await withServer(['--recovery', '2m'], async (server) => {
    const writer = await connect(server);
    await writer.call('add user', 'writer');
    const lost = [];
    for (let number = 0; number < options.clients; number++) {
      const client = await connect(server);
      await client.call('add user', `person ${number}`);
      lost.push(client);
    }
    await writer.call('new message', 'everybody has this one');
    while (lost.some((client) => client.offset === undefined)) await new Promise((resolve) => setTimeout(resolve, 10));
    for (const { socket } of lost) socket.terminate();
    await say(writer, options.missed);
    const [base, before, start] = [memory(server, 'VmRSS'), cpu(server), performance.now()];
    const closes = await Promise.all(lost.map(({ pid, offset }) => comeBack(server, { pid, offset }, options.missed)));
    const took = (performance.now() - start) / 1000;
    console.log(`${options.missed} messages for each of ${options.clients} clients that come back at once: ${took.toFixed(2)} s, ${(cpu(server) - before).toFixed(2)} s of CPU, at most ${(memory(server, 'VmHWM') - base).toFixed(0)} MiB more`);
    closes.forEach((close) => close());
  });
}

await store();
await login();
await recovered();
