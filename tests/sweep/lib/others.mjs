// Clients that are not socket.io-client: what each is, how it is installed and started, and what it cannot do.

import { join } from 'node:path';
import { cargo, npm, pip } from './cache.mjs';
import { Program } from './program.mjs';
import { NODE_HOST, SHARED } from './published.mjs';
import { reasonOfOther } from './reasons.mjs';
import { resultCell } from './table.mjs';
import { again } from './tries.mjs';
import { visit } from './visit.mjs';

const host = (name) => new URL(`../hosts/${name}`, import.meta.url).pathname;

function python(name, packages, script, argument, rest) {
  const start = async () => new Program(await pip(`pip-${packages[0]}`, packages), [host(script), ...(argument ? [argument] : [])]);
  return { name, wires: ['websocket', 'xhr-polling', 'upgrade'], skips: [], start, ...rest };
}

/** Of the time before Engine.IO. */
// Neither tells its application of each connection, so nobody could see them come back.
const early = (version) => python(`socketIO-client ${version}`, [`socketIO-client==${version}`], 'socketio_client.py', 'socketIO_client', { wires: ['websocket', 'xhr-polling', 'jsonp-polling'], skips: ['binary', 'reconnect'] });
/** It always polls first. */
const late = (name, version, module = 'socketIO_client', rest = {}) => python(`${name} ${version}`, [`${name}==${version}`], 'socketio_client.py', module, { wires: ['xhr-polling', 'upgrade'], skips: ['binary', 'reconnect'], ...rest });
const modern = (version, engine, ...more) => [
  python(`python-socketio ${version}`, [`python-socketio==${version}`, `python-engineio==${engine}`, 'requests', 'websocket-client', 'aiohttp', ...more], 'python_socketio.py'),
  python(`python-socketio ${version}, asyncio`, [`python-socketio==${version}`, `python-engineio==${engine}`, 'requests', 'websocket-client', 'aiohttp', ...more], 'python_socketio.py', 'asyncio'),
];


/** A module of `hosts/` that makes sockets as `generation` of socket.io-client does, with packages of npm. */
function inNode(name, packages, script, rest) {
  const start = async () => {
    const folder = await npm(`npm-${name}`.replaceAll(/[ /]/g, '-'), packages);
    return new Program(process.execPath, [NODE_HOST, host(script), SHARED], { env: { ...process.env, NODE_PATH: join(folder, 'node_modules') } });
  };
  return { name, skips: [], start, ...rest };
}

/** What it sends is either bytes or JSON, so it cannot send bytes beside other arguments. */
function rust(version) {
  const start = async () => new Program(await cargo(`cargo-rust_socketio-${version}`, { rust_socketio: version, serde_json: '1.0.154' }, host('rust_socketio.rs')), []);
  return { name: `rust_socketio ${version}`, wires: ['websocket', 'xhr-polling', 'upgrade'], skips: ['binary'], start };
}

export const OTHERS = [
  early('0.5.6'),
  early('0.5.7.4'),
  late('socketIO-client', '0.6.7'),
  late('socketIO-client', '0.7.2'),
  late('socketIO-client-2', '0.7.5'),
  late('socketIO-client-nexus', '0.7.6', 'socketIO_client_nexus', { needsText: true }),
  late('socketio-client3', '0.8.0', 'socketIO_client', { needsText: true }),
  ...modern('4.6.1', '3.14.2'),
  ...modern('5.0.4', '4.1.0'),
  ...modern('5.18.1', '4.15.1'),
  inNode('@feathersjs/socketio-client 5.0.50', { '@feathersjs/feathers': '5.0.50', '@feathersjs/socketio-client': '5.0.50', 'socket.io-client': '4.8.4' }, 'feathers.cjs', { generation: '4.8.4', wires: ['websocket', 'xhr-polling', 'upgrade'] }),
  // A mini program has one connection, so the visit cannot open another for bytes.
  inNode('weapp.socket.io 3.0.0', { 'weapp.socket.io': '3.0.0', ws: '8.18.3' }, 'weapp.cjs', { generation: '3.1.3', wires: ['websocket'], skips: ['binary'] }),
  rust('0.6.0'),
];

/** Visits with `other` over each of its transports: `{ wire: { failed } }`. */
export async function inItsOwn(world, other) {
  const results = {};
  for (const wire of other.wires) {
    results[wire] = await again(() => inProgram(world, other, wire));
  }
  return results;
}

async function inProgram(world, other, wire) {
  const program = await other.start();
  try {
    return { failed: await visit(world, (spec) => program.open(spec), { wire, generation: other.generation, skips: other.skips }) };
  } finally {
    program.end();
  }
}

const WIRES = ['websocket', 'xhr-polling', 'jsonp-polling', 'upgrade'];
const NEEDS_TEXT = 'With `eio3-polls = "text"`: it reads no other polls.';
export const OTHER_HEAD = ['Client', ...WIRES];

/** The cells of a client's row; what failed goes to `notes`. */
export function otherCells(name, results, notes) {
  const { needsText } = OTHERS.find((other) => other.name === name);
  return WIRES.map((wire) => {
    const steps = Object.keys(results[wire]?.failed ?? {});
    const cell = resultCell(results[wire], reasonOfOther(name, wire, steps), notes);
    return needsText && results[wire] ? `${cell} ${notes.mark(NEEDS_TEXT)}` : cell;
  });
}
