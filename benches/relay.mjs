// What it costs that a request comes to the node that does not have its session: two nodes, and polling clients of one of
// them, who ask it directly or by the other one, in turns. Prints the CPU time of both nodes for each cycle, a GET that waits and
// a POST that brings its answer (a heartbeat of Engine.IO 3), and how long a cycle took.
//
// node benches/relay.mjs [--rounds 7] [--seconds 4] [--clients 50] [--bin target/release/parlance]

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { accepts, freePort } from './ports.mjs';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, seconds: { type: 'string', default: '4' }, clients: { type: 'string', default: '50' }, bin: { type: 'string' } },
});
const binary = values.bin ?? fileURLToPath(new URL('../target/release/parlance', import.meta.url));
const [rounds, seconds, clients] = [values.rounds, values.seconds, values.clients].map(Number);

const ports = [await freePort(), await freePort()];
const addresses = [await freePort(), await freePort()].map((port) => `127.0.0.1:${port}`);
const nodes = ports.map((port, at) =>
  spawn(binary, ['--host', '127.0.0.1', '--port', `${port}`, '--log', 'error', '--handshake-rate', '0', '--max-sessions-per-address', '0', '--cluster-key', 'a secret that the nodes of benchmarks share', '--node-listen', addresses[at], '--nodes', addresses.join(',')], { stdio: ['ignore', 'ignore', 'inherit'] }),
);
process.on('exit', () => nodes.forEach((node) => node.kill('SIGKILL')));
await Promise.all(ports.map((port, at) => accepts(port, nodes[at])));

/** CPU time of a process, in ms. */
function cpu({ pid }) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function ask(agent, port, method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ agent, port, host: '127.0.0.1', method, path, headers: body ? { 'Content-Type': 'text/plain', 'Content-Length': body.length } : {} });
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('latin1').on('data', (piece) => (text += piece)).on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(`${response.statusCode} ${text}`))));
    });
    request.on('error', reject);
    request.end(body);
  });
}

const path = '/socket.io/?EIO=3&transport=polling&b64=1';
const sessions = await Promise.all(
  Array.from({ length: clients }, async () => {
    const agent = new http.Agent({ keepAlive: true });
    const { sid } = JSON.parse((await ask(agent, ports[0], 'GET', path)).replace(/^\d+:0/, '').replace(/\}.*/s, '}'));
    return { agent, target: `${path}&sid=${sid}` };
  }),
);

/** Cycles by one node for a while: their number, their times and the CPU time of both nodes. */
async function run(port) {
  const before = nodes.map(cpu);
  const times = [];
  const end = performance.now() + seconds * 1000;
  await Promise.all(
    sessions.map(async ({ agent, target }) => {
      while (performance.now() < end) {
        const poll = ask(agent, port, 'GET', target);
        const began = performance.now();
        await ask(agent, port, 'POST', target, '1:2');
        while (!(await poll).includes('1:3')) throw new Error('no answer to the heartbeat');
        times.push(performance.now() - began);
      }
    }),
  );
  const spent = nodes.map((node, at) => cpu(node) - before[at]);
  times.sort((a, b) => a - b);
  return { each: spent.map((ms) => (ms * 1000) / times.length), cycles: times.length, median: times[times.length >> 1] };
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const ratios = [];
const rows = { direct: [], relayed: [] };
await run(ports[0]);
await run(ports[1]);
for (let round = 0; round < rounds; round += 1) {
  for (const [name, port] of round % 2 ? [['relayed', ports[1]], ['direct', ports[0]]] : [['direct', ports[0]], ['relayed', ports[1]]]) {
    const figures = await run(port);
    rows[name].push(figures);
    console.log(`${name.padEnd(8)} ${figures.each.map((us) => us.toFixed(1)).join(' + ')} µs of CPU a cycle (owner + other), ${figures.median.toFixed(2)} ms, ${figures.cycles} cycles`);
  }
  const sum = (name) => rows[name].at(-1).each[0] + rows[name].at(-1).each[1];
  ratios.push(sum('relayed') / sum('direct'));
}
for (const name of Object.keys(rows)) {
  const of = (pick) => median(rows[name].map(pick)).toFixed(1);
  console.log(`${name}: owner ${of(({ each }) => each[0])} µs, other ${of(({ each }) => each[1])} µs, a cycle in ${median(rows[name].map((row) => row.median)).toFixed(2)} ms`);
}
console.log(`CPU of both nodes, relayed to direct: ${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`);
process.exit(0);
