// The test suite of socket.io-client with our modern client in its place:
//   node socketio-client.mjs CHECKOUT [--server PROGRAM] [-- options of mocha]
// CHECKOUT is a folder with socket.io's repository, which this does not fetch. The server is Node's, as the suite brings it,
// or PROGRAM, which listens on the port in PORT: see examples/socketio_suite.rs.

import { cpSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { client, forward, listening, mocha, stage } from './stage.mjs';

/** Where the suite expects its server. */
const PORT = '3210';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { server: { type: 'string' } } });
const [checkout, ...options] = positionals;
if (!checkout) throw new Error('usage: node socketio-client.mjs CHECKOUT [--server PROGRAM] [-- options of mocha]');

const folder = stage(checkout, 'socket.io-client', { modules: { 'build/cjs/url.js': join(client, 'src/url.js') } });
cpSync(join(client, 'dist/socket.io.node.cjs'), join(folder, 'index.cjs'));

// Two tests give no address, which means the page's own. In Node that is port 80 of this machine.
forward(80, PORT).on('error', ({ message }) => console.error(`nothing at the default address: ${message}; expect 'useNativeSetTimers' to fail`));

const hooks = values.server ? [] : ['--require', 'test/support/hooks.ts'];
if (values.server) {
  // The suite's own server takes 10 ms for each handshake, so that a timeout of 0 comes before it.
  forward(PORT, await listening(resolve(values.server)), 10);
}
mocha(folder, ['--import=tsx', ...hooks, ...options, 'test/index.ts']);
