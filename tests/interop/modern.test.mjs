// The modern client, which pages load as socket.io.esm.min.js: every line of its table in docs/client.md, in Node and in
// Chromium, against Parlance and against Node's server.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { closeBrowser } from './lib/browser.mjs';
import { installed, openModernPage, playHere, startStage } from './lib/modern-stage.mjs';
import { ROWS } from './lib/modern-rows.mjs';

const require = createRequire(import.meta.url);
const msgpack = require('socket.io-msgpack-parser');
const folder = installed();
const { io } = await import(join(folder, 'socket.io.node.mjs'));

after(closeBrowser);

/** How each build is loaded: in Node, `load` returns `io`; in a page, `file` is loaded. */
const BUILDS = [
  { name: 'socket.io.node.mjs', on: 'node', load: () => io },
  { name: 'socket.io.node.cjs', on: 'node', load: () => require(join(folder, 'socket.io.node.cjs')).io },
  { name: 'socket.io.esm.min.js in Node, by fetch', on: 'node', portable: true, load: loadPortable },
  { name: 'socket.io.esm.min.js', on: 'page', file: 'socket.io.esm.min.js' },
  { name: 'socket.io.min.js', on: 'page', file: 'socket.io.min.js' },
  { name: 'socket.io.msgpack.min.js', on: 'page', file: 'socket.io.msgpack.min.js', servers: ['node'], options: { parser: msgpack } },
];

/** The build for pages, with the WebSocket that later versions of Node have. */
async function loadPortable() {
  globalThis.WebSocket ??= WebSocket;
  return (await import(join(installed({ ws: false }), 'socket.io.esm.min.js'))).io;
}

for (const build of BUILDS) {
  for (const kind of build.servers ?? ['parlance', 'node']) {
    describe(`${build.name} and ${kind}`, () => {
      let stage;
      let env;
      let page;
      let here;
      before(async () => {
        stage = await startStage(kind, build.options);
        env = await stage.env();
        if (build.file) page = await openModernPage(build.file, env.url);
        else here = await build.load();
      });
      after(async () => {
        await page?.close();
        await stage.close();
      });

      for (const row of ROWS) {
        if (row.on && row.on !== build.on) continue;
        if (row.server && row.server !== kind) continue;
        if (row.not?.some((trait) => build[trait] || build.options?.[trait])) continue;
        it(row.name, { timeout: 30_000 }, () => (page ? page.play(row, env) : playHere(row, here, env)));
      }
    });
  }
}
