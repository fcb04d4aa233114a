// What the runners of client suites share: a package as a suite expects to be in, mocha, and ports.

import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

export const here = fileURLToPath(new URL('.', import.meta.url));
export const client = join(here, '../../client/modern');

/** Processes that end with this one. Each is the first of a group: tests leave processes of their own behind. */
const children = [];
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
process.on('exit', () => {
  for (const { pid } of children) {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Nothing of it is left.
    }
  }
});

export function start(program, args, options) {
  const child = spawn(program, args, { ...options, detached: true });
  children.push(child);
  return child;
}

/**
 * A package with the tests of `name`, which `checkout` has among socket.io's packages, in its folder `test`. `modules` are
 * built into it: `{ file: source }`. `stubs` are files to write: `{ file: text }`. Both are gone when this process ends.
 */
export function stage(checkout, name, { modules = {}, stubs = {} }) {
  const tests = join(resolve(checkout), 'packages', name, 'test');
  if (!existsSync(tests)) throw new Error(`${tests} is not there: is ${checkout} a checkout of socket.io's repository?`);
  const folder = mkdtempSync(join(tmpdir(), 'suite-'));
  process.on('exit', () => rmSync(folder, { recursive: true }));
  cpSync(tests, join(folder, 'test'), { recursive: true });
  symlinkSync(join(here, 'node_modules'), join(folder, 'node_modules'));
  const files = { 'package.json': JSON.stringify({ name: 'suite', main: 'index.cjs' }), ...stubs };
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  for (const [file, source] of Object.entries(modules)) {
    const define = { 'import.meta.url': '__filename' };
    const logOverride = { 'commonjs-variable-in-esm': 'silent' };
    buildSync({ entryPoints: [source], outfile: join(folder, file), bundle: true, platform: 'node', format: 'cjs', define, logOverride });
  }
  return folder;
}

/** Runs mocha in that folder, and ends this process as it ends. */
export function mocha(folder, args) {
  const runner = start(process.execPath, [join(here, 'node_modules/mocha/bin/mocha.js'), '--exit', ...args], { cwd: folder, stdio: 'inherit' });
  runner.on('exit', (code) => process.exit(code ?? 1));
}

/** Has connections to one port reach another, and handshakes `late` ms later. */
export function forward(from, to, late = 0) {
  return createServer((near) => {
    const far = connect(Number(to), 'localhost');
    near.on('data', (bytes) => {
      const [line] = String(bytes).split('\r\n', 1);
      const handshake = line.startsWith('GET ') && !line.includes('sid=');
      if (handshake && late) setTimeout(() => far.write(bytes), late);
      else far.write(bytes);
    });
    near.on('close', () => setTimeout(() => far.destroy(), late)).on('error', () => {});
    far.on('error', () => near.destroy()).pipe(near);
  }).listen(from);
}

/** Starts a server, and resolves with its port. */
export function listening(program) {
  const server = start(program, [], { env: { ...process.env, PORT: '0' }, stdio: ['ignore', 'inherit', 'pipe'] });
  return new Promise((found, failed) => {
    server.on('error', failed).on('exit', (code) => failed(new Error(`${program} ended: ${code}`)));
    server.stderr.on('data', (text) => {
      process.stderr.write(text);
      const [, port] = /listening on .*:(\d+)/.exec(text) ?? [];
      if (port) found(port);
    });
  });
}
