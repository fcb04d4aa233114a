// Every published version of socket.io-client: what it has, how it is installed, and where it runs.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { launchBrowser, openPage } from '../../interop/lib/browser.mjs';
import { mapBytes, pack, toHex, unpack } from '../../interop/lib/bytes.mjs';
import { openClient } from '../../interop/lib/open-client.mjs';
import { node, npm } from './cache.mjs';
import { Program } from './program.mjs';
import { reasonOf } from './reasons.mjs';
import { resultCell } from './table.mjs';
import { again, alone, better, succeeded } from './tries.mjs';
import { visit } from './visit.mjs';

export const NODE_HOST = new URL('../hosts/node.cjs', import.meta.url).pathname;
export const SHARED = [mapBytes, toHex, pack, unpack, openClient].join('\n');

/** Nodes to try, in this order, until all steps succeed. */
export const NODES = ['today', '4.9.1', '0.10.48'];

/** What early versions took from places other than npm, or forgot to name, replaced by what npm has of it. */
const REPLACED = {
  'has-cors': '1.1.0',
  bind: 'npm:component-bind@1.0.0',
  emitter: 'npm:component-emitter@1.1.2',
  'engine.io-client': { xmlhttprequest: 'npm:xmlhttprequest-ssl@1.5.1' },
};
const PATCHES = {
  '0.9.1': { dependencies: { 'active-x-obfuscator': '0.0.1' } },
  '1.0.1': { overrides: { 'socket.io-parser': '2.1.2' } },
};

const parse = (version) => version.split(/[.-]/).map(Number);
const isFirst = (version) => version.startsWith('0.');

/** Transports in Node and in a browser, by the names of 0.9. */
export function wiresOf(version, place) {
  const [major, minor] = parse(version);
  const wires = ['websocket', 'xhr-polling'];
  if (place === 'browser' && (major < 4 || (major === 4 && minor < 3))) wires.push('jsonp-polling');
  if (!isFirst(version)) wires.push('upgrade');
  return wires;
}

export function install(version) {
  const { dependencies, overrides } = PATCHES[version] ?? {};
  return npm(`socket.io-client-${version}`, { 'socket.io-client': version, ...dependencies }, { ...REPLACED, ...overrides });
}

/** Steps that a version has no words for. */
function skipsOf(version) {
  return isFirst(version) ? ['binary'] : [];
}

/** Visits with `version` in Node, over all its transports: `{ wire: { node, failed } }`. */
export async function inNode(world, version) {
  const folder = await install(version);
  const results = {};
  for (const wire of wiresOf(version, 'node')) {
    for (const name of NODES) {
      const result = { node: name, failed: await inProgram(world, version, folder, wire, name) };
      results[wire] = better(results[wire], result);
      if (done(version, 'node', wire, result)) break;
    }
    if (!done(version, 'node', wire, results[wire])) {
      const { node: name } = results[wire];
      results[wire] = better(results[wire], { node: name, failed: await alone(() => inProgram(world, version, folder, wire, name)) });
    }
  }
  return results;
}

/** Whether no other try is due: it succeeded, or failed for a reason that is understood, which no try changes. */
function done(version, place, wire, result) {
  return succeeded(result) || reasonOf(version, place, wire, Object.keys(result.failed)) !== undefined;
}

async function inProgram(world, version, folder, wire, name) {
  const program = new Program(name === 'today' ? process.execPath : await node(name), [NODE_HOST, join(folder, 'node_modules/socket.io-client'), SHARED]);
  try {
    return await visit(world, (spec) => program.open(spec), { wire, generation: version, skips: skipsOf(version) });
  } finally {
    program.end();
  }
}

/** Visits with the bundle of `version` in Chromium, over all its transports: `{ wire: { failed } }`. */
export async function inBrowser(world, version) {
  const folder = join(await install(version), 'node_modules/socket.io-client');
  const bundle = ['dist/socket.io.js', 'socket.io.js'].map((path) => join(folder, path)).find(existsSync);
  const results = {};
  if (!bundle) return results;
  for (const wire of wiresOf(version, 'browser')) {
    results[wire] = await again(() => inPage(world, version, bundle, wire), (result) => done(version, 'browser', wire, result));
  }
  return results;
}

let launched;

/** All visits share a browser. One in which a page does not close is given up: the visits in it end, and it is killed. */
async function inPage(world, version, bundle, wire) {
  launched ??= launchBrowser().then((browser) => ({ ...browser, visits: 0 }));
  const mine = launched;
  const shared = await mine;
  shared.visits += 1;
  try {
    const page = await openPage({ generation: version, bundle, within: shared.browser });
    const failed = await visit(world, (spec) => page.open(spec), { wire, skips: skipsOf(version) });
    const closed = await Promise.race([page.close().then(() => true), new Promise((resolve) => setTimeout(resolve, 5_000, false))]);
    if (!closed && launched === mine) launched = undefined;
    shared.stuck ||= !closed;
    return { failed };
  } finally {
    shared.visits -= 1;
    if (shared.stuck && shared.visits === 0) await shared.kill();
  }
}

/** To be called when all visits are over. */
export async function closeBrowser() {
  await (await launched)?.kill();
}

const COLUMNS = [
  ['node', 'websocket'],
  ['node', 'xhr-polling'],
  ['node', 'upgrade'],
  ['browser', 'websocket'],
  ['browser', 'xhr-polling'],
  ['browser', 'jsonp-polling'],
  ['browser', 'upgrade'],
];
export const HEAD = ['Version', 'Number', ...COLUMNS.map(([place, wire]) => `${place === 'node' ? 'N' : 'B'} ${wire}`)];

/** The cells of a version's row; what failed goes to `notes`. */
export function cellsOf(version, results, notes) {
  return COLUMNS.map(([place, wire]) => {
    const result = results[place][wire];
    const cell = resultCell(result, result && reasonOf(version, place, wire, Object.keys(result.failed)), notes);
    return result?.node && result.node !== 'today' ? `${cell} ${notes.mark(`In Node ${result.node}; in today's not all steps succeed.`)}` : cell;
  });
}
