// The test suite of engine.io-client with the engine of our modern client in its place:
//   node engineio-client.mjs CHECKOUT [--server PROGRAM]
// CHECKOUT is a folder with socket.io's repository, which this does not fetch. The server is Node's, as the suite brings it,
// or PROGRAM, which listens on the port in PORT: see examples/engineio_suite.rs.
// With USE_FETCH=1 in the environment the client polls by fetch.

import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { forward, here, listening, mocha, stage } from './stage.mjs';

/** Where the suite expects its server. */
const PORT = '3000';

/** Tests that ask for what our client has otherwise, or not at all, by how their names begin. They are not run. */
const LEFT_OUT = {
  'cookie parsing ': 'a function of its own; ours is tested by what the server gets',
  'parseuri ': 'a function of its own; ours is tested by the addresses that clients are given',
  'engine.io-client should generate a random string': 'a function of its own',
  'Socket filterUpgrades ': 'a function of its own',
  'Socket throws an error when no transports are available': 'a string as the error; ours is an Error, as in all other cases',
  'Socket fake timers uses window timeout by default': 'the same, by a timer; ours waits for the code that runs, and needs none',
  'Transport transport uris should generate a wss uri': 'no query; ours has EIO and transport in every one',
  'Transport transport uris should generate a ws ipv6 uri': 'the same, twice',
};

const { values, positionals } = parseArgs({ allowPositionals: true, options: { server: { type: 'string' } } });
const [checkout] = positionals;
if (!checkout) throw new Error('usage: node engineio-client.mjs CHECKOUT [--server PROGRAM]');
if (process.env.USE_FETCH) LEFT_OUT['node.js should send cookies with withCredentials: true'] = 'cookies in Node by fetch; ours keeps them where it polls as Node does by default';
if (values.server) LEFT_OUT['Socket close provides details when maxHttpBufferSize is reached '] = 'an answer, and a close frame, without text; those of Parlance say why';

const folder = stage(checkout, 'engine.io-client', {
  modules: { 'index.cjs': join(here, 'engine-face.mjs') },
  stubs: {
    // The suite's server has pages for browsers, too. It gets nothing to serve.
    'test/node_modules/express/index.js': 'module.exports = () => Object.assign((_, answer) => answer.end(), { use() {} }); module.exports.static = () => {};',
    'test/node_modules/rollup/index.js': 'exports.rollup = async () => ({ async write() {}, async close() {} });',
    'support/rollup.config.umd.js': 'module.exports = [{}, {}];',
    // Functions that no application of engine.io-client reaches: their tests are left out.
    'build/cjs/util.js': '',
    'build/cjs/globals.node.js': '',
    'build/cjs/transports/polling-xhr.node.js': '',
    // The suite says that a page is where its server is, but not all of what a page says.
    'page.js': "globalThis.location = { protocol: 'http:', host: 'localhost:3000', hostname: 'localhost', port: '3000' };",
  },
});
for (const [name, why] of Object.entries(LEFT_OUT)) console.log(`left out: ${name.trim()}: ${why}`);
const pattern = `^(${Object.keys(LEFT_OUT).join('|').replace(/[.()]/g, '\\$&')})`;
const hooks = values.server ? [] : ['--require', 'test/support/hooks.js'];
if (values.server) forward(PORT, await listening(resolve(values.server)));
mocha(folder, ['--grep', pattern, '--invert', '--require', './page.js', ...hooks, 'test/index.js']);
