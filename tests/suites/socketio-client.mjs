// The test suite of socket.io-client with our modern client in its place:
//   node socketio-client.mjs CHECKOUT [--server PROGRAM] [-- options of mocha]
// CHECKOUT is a folder with socket.io's repository, which this does not fetch. The server is Node's, as the suite brings it,
// or PROGRAM, which listens on the port in PORT: see examples/socketio_suite.rs.

import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildSync } from 'esbuild';

/** Where the suite expects its server. */
const PORT = '3210';

const here = fileURLToPath(new URL('.', import.meta.url));
const client = join(here, '../../client/modern');
const { values, positionals } = parseArgs({ allowPositionals: true, options: { server: { type: 'string' } } });
const [checkout, ...options] = positionals;
if (!checkout) throw new Error('usage: node socketio-client.mjs CHECKOUT [--server PROGRAM] [-- options of mocha]');

/** A package as the suite expects to be in: itself in `test`, the client above it. */
const folder = mkdtempSync(join(tmpdir(), 'suite-'));
let server;
let mocha;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
process.on('exit', () => {
  server?.kill('SIGKILL');
  // A test leaves a process of its own behind.
  try {
    process.kill(-mocha?.pid, 'SIGKILL');
  } catch {
    // None did.
  }
  rmSync(folder, { recursive: true });
});
cpSync(join(resolve(checkout), 'packages/socket.io-client/test'), join(folder, 'test'), { recursive: true });
symlinkSync(join(here, 'node_modules'), join(folder, 'node_modules'));
writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'suite', main: 'index.cjs' }));
cpSync(join(client, 'dist/socket.io.node.cjs'), join(folder, 'index.cjs'));
buildSync({ entryPoints: [join(client, 'src/url.js')], outfile: join(folder, 'build/cjs/url.js'), bundle: true, format: 'cjs' });

// Two tests give no address, which means the page's own. In Node that is port 80 of this machine.
forward(80, PORT).on('error', ({ message }) => console.error(`nothing at the default address: ${message}; expect 'useNativeSetTimers' to fail`));

const hooks = values.server ? [] : ['--require', 'test/support/hooks.ts'];
if (values.server) {
  // The suite's own server takes 10 ms for each handshake, so that a timeout of 0 comes before it.
  forward(PORT, await start(resolve(values.server)), 10);
}
mocha = spawn(process.execPath, [join(here, 'node_modules/mocha/bin/mocha.js'), '--import=tsx', ...hooks, '--exit', ...options, 'test/index.ts'], { cwd: folder, stdio: 'inherit', detached: true });
mocha.on('exit', (code) => process.exit(code ?? 1));

/** Starts a server, and resolves with its port. */
function start(program) {
  server = spawn(program, { env: { ...process.env, PORT: '0' }, stdio: ['ignore', 'inherit', 'pipe'] });
  return new Promise((listening, failed) => {
    server.on('error', failed).on('exit', (code) => failed(new Error(`${program} ended: ${code}`)));
    server.stderr.on('data', (text) => {
      process.stderr.write(text);
      const [, port] = /listening on .*:(\d+)/.exec(text) ?? [];
      if (port) listening(port);
    });
  });
}

/** Has connections to one port reach another, and handshakes `late` ms later. */
function forward(from, to, late = 0) {
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
