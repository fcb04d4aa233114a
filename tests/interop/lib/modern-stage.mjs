// What a row of modern-rows.mjs plays on: servers that behave in one way or another, and the modern client in Node or a page.

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { once } from 'node:events';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openPlainPage } from './browser.mjs';
import { mapBytes, toHex } from './bytes.mjs';
import { startFaultProxy } from './fault-proxy.mjs';
import { startForwarder } from './forwarder.mjs';
import { startExample } from './server.mjs';
import { startNodeServer } from './suite-server.mjs';

const DIST = fileURLToPath(new URL('../../../client/modern/dist/', import.meta.url));
const MODULES = fileURLToPath(new URL('../node_modules', import.meta.url));
/** A heartbeat that tests can wait for. */
const HASTY = { pingInterval: 200, pingTimeout: 2000 };

/** Like an installed package: with `ws` beside it, or without. Removed when the process ends. */
export function installed({ ws = true } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'modern-'));
  cpSync(DIST, folder, { recursive: true });
  if (ws) symlinkSync(MODULES, join(folder, 'node_modules'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** `kind` is `parlance` or `node`; `options` are of Node's server. */
export async function startStage(kind, options = {}) {
  const closers = [];
  const kept = (thing, close) => (closers.push(close), thing);
  const nodeServer = async (more) => {
    const server = await startNodeServer({ ...options, ...more });
    return kept(server, () => server.stop());
  };
  const forwarded = async (url) => {
    const forwarder = await startForwarder(url);
    return kept(forwarder, () => forwarder.close());
  };
  const main = kind === 'node' ? await nodeServer() : await startExample('socketio_suite');
  if (kind !== 'node') closers.push(() => main.stop('SIGKILL'));

  const proxy = await startFaultProxy(Number(new URL(main.url).port), 'refused with 502');
  closers.push(() => proxy.close());
  proxy.strike();
  const silent = net.createServer();
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const held = new Set();
  silent.on('connection', (socket) => held.add(socket.on('error', () => {})));
  closers.push(() => (held.forEach((socket) => socket.destroy()), silent.close()));
  const closed = net.createServer();
  await once(closed.listen(0, '127.0.0.1'), 'listening');
  const nowhere = `http://127.0.0.1:${closed.address().port}`;
  closed.close();

  return {
    main,
    async env() {
      return {
        url: main.url,
        nowhere,
        silent: `http://127.0.0.1:${silent.address().port}`,
        pollingOnly: proxy.url,
        breaking: await forwarded(main.url),
        hasty: await forwarded((await nodeServer(HASTY)).url),
        elsewhere: (await nodeServer({ path: '/x/io', addTrailingSlash: false })).url,
        sticky: await sticky(nodeServer),
      };
    },
    async close() {
      for (const close of closers.reverse()) await close();
    },
  };
}

/** A server whose first answer sets a cookie, and what came back with each request. */
async function sticky(nodeServer) {
  const server = await nodeServer();
  const cookies = [];
  server.io.engine.on('headers', (headers, { headers: { cookie } }) => {
    cookies.push(cookie);
    if (cookies.length === 1) headers['set-cookie'] = ['node=a; Path=/; HttpOnly', 'gone=x; Max-Age=0'];
  });
  return { url: server.url, cookies: () => cookies };
}

/** Plays a row with a client in this process. */
export async function playHere(row, io, env) {
  const sockets = [];
  const t = tools(io, sockets, (actual, expected) => assert.deepEqual(actual, expected), { mapBytes, toHex });
  try {
    await row.run({ ...env, io, t });
  } finally {
    for (const socket of sockets) socket.disconnect();
  }
}

/** A page with one of the client's files. Its `play` plays a row there. */
export async function openModernPage(file, home) {
  const page = await openPlainPage(home);
  const text = readFileSync(join(DIST, file), 'utf8');
  if (file.includes('.esm.')) {
    await page.route(`${home}/${file}`, (route) => route.fulfill({ contentType: 'text/javascript', body: text }));
    await page.evaluate(`import('/${file}').then((module) => { window.io = module.io; })`);
  } else {
    await page.addScriptTag({ content: text });
  }
  await page.addScriptTag({ content: [mapBytes, toHex, tools].join('\n') });
  let called = {};
  await page.exposeFunction('callTest', (path) => path.reduce((at, name) => at[name], called)());
  return {
    async play(row, env) {
      called = env;
      await page.evaluate(`(async () => {
        const revive = (value, path) => {
          for (const key of Object.keys(value)) {
            if (value[key] === 'function') value[key] = () => callTest([...path, key]);
            else if (typeof value[key] === 'object') revive(value[key], [...path, key]);
          }
          return value;
        };
        const env = revive(${JSON.stringify(env, (key, value) => (typeof value === 'function' ? 'function' : value))}, []);
        const sockets = [];
        const equal = (actual, expected) => {
          const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
          if (is !== should) throw new Error('is ' + is + ', should be ' + should);
        };
        try {
          await ({ ${row.run} }).run({ ...env, io, t: tools(io, sockets, equal, { mapBytes, toHex }) });
        } finally {
          for (const socket of sockets) socket.disconnect();
        }
      })()`);
    },
    close: () => page.context().close(),
  };
}

/** What rows work with. Self-contained: its source goes into pages, too. */
function tools(io, sockets, equal, { mapBytes, toHex }) {
  return {
    equal,
    plain: (value) => mapBytes(value, (bytes) => `bytes ${toHex(bytes)}`),
    open(url, options) {
      const socket = io(url, { forceNew: true, ...options });
      sockets.push(socket);
      return socket;
    },
    heard: (emitter, event) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`'${event}' did not come`)), 20_000);
        emitter.once(event, (...args) => {
          clearTimeout(timer);
          resolve(args);
        });
      }),
  };
}
