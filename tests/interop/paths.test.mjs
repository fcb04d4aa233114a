// Below a path, behind the real nginx, Apache and HAProxy, which leave the path or take it away; and behind set-ups of
// theirs that double a slash or lose one.

import assert from 'node:assert/strict';
import net from 'node:net';
import { join } from 'node:path';
import { everyKind } from './lib/clients.mjs';
import { PATIENCE, apache, fetchText, haproxy, nginx, open, startProxy } from './lib/proxy.mjs';
import { exchangeNumbers, joinAll } from './lib/room.mjs';
import { scenario } from './lib/scenario.mjs';

const GENERATIONS = ['0.9.17', '1.0.6', '1.7.4', '2.5.0', '3.1.3', '4.8.4'];
const WIRES = ['websocket', 'xhr-polling', 'upgrade'];

/** Clients of every generation and kind, whose engine is at that path. */
function kinds(path, { withTrailingSlash = true } = {}) {
  const all = everyKind(GENERATIONS, WIRES).filter(({ generation, wire }) => wire !== 'upgrade' || !generation.startsWith('0.'));
  const more = everyKind(['4.8.4'], WIRES).map((kind) => ({ ...kind, name: `${kind.name} without a slash`, options: { addTrailingSlash: false } }));
  return [...all, ...(withTrailingSlash ? [] : more)].map((kind) => ({ ...kind, path }));
}

/** Everybody joins and talks, by the transport that was asked for, and leaves in good order. */
async function everybodyTalks(scene, server, url, specs) {
  const everybody = await scene.clients(url, specs);
  await joinAll(everybody);
  await exchangeNumbers(everybody, 10);
  for (const client of everybody) {
    if (client.spec.wire !== 'upgrade') assert.equal(client.transport(), client.spec.wire, client.name);
    else if (client.transport() !== 'websocket') await client.until('upgrade');
    assert.deepEqual(client.log.all('disconnect'), [], client.name);
  }
}

const websocketsOf24 = (from, to) => `RewriteEngine On
RewriteCond %{HTTP:Upgrade} =websocket [NC]
RewriteRule ^${from}(.*) ws://PARLANCE${to}$1 [P,L]
ProxyPass ${from} http://PARLANCE${to} flushpackets=on`;

/** Set-ups below /chat/. Those that take the path away work for a server that knows nothing of it, too. */
const BELOW = {
  'nginx, path left': { proxy: nginx('location /chat/ { proxy_pass http://parlance; }') },
  'nginx, path taken away': { proxy: nginx('location /chat/ { proxy_pass http://parlance/; }'), takes: true },
  'Apache, path left': { proxy: apache('ProxyPass /chat http://PARLANCE/chat upgrade=websocket flushpackets=on') },
  'Apache, path taken away': {
    proxy: apache('RedirectMatch permanent ^/chat$ /chat/\nProxyPass /chat/ http://PARLANCE/ upgrade=websocket flushpackets=on'),
    takes: true,
  },
  'Apache with mod_proxy_wstunnel, path left': { proxy: apache(websocketsOf24('/chat/', '/chat/')), redirects: false },
  'Apache with mod_proxy_wstunnel, path taken away': { proxy: apache(websocketsOf24('/chat/', '/')), takes: true, redirects: false },
  'HAProxy, path left': { proxy: haproxy('use_backend parlance if { path /chat } or { path_beg /chat/ }') },
  'HAProxy, path taken away': {
    proxy: haproxy(
      'http-request redirect location /chat/ code 301 if { path /chat }\n    use_backend parlance if { path_beg /chat/ }',
      'http-request replace-path /chat/(.*) /\\1',
    ),
    takes: true,
  },
};

for (const [name, { proxy, takes = false, redirects = true }] of Object.entries(BELOW)) {
  for (const args of takes ? [['--base-path', '/chat/'], []] : [['--base-path', '/chat/']]) {
    scenario(`${name}: every generation talks ${args.length ? 'below the base path' : 'to a server that knows of none'}`, async (scene) => {
      const server = await scene.chat(args);
      const { http: url } = await startProxy(scene, proxy, server.port, ['http']);
      await everybodyTalks(scene, server, url, kinds('/chat/socket.io'));
      for (const page of ['/chat/', '/chat/diagnostics', '/chat/style.css', '/chat/socket.io/socket.io.js', '/chat/readyz']) {
        assert.equal((await fetchText(`${url}${page}`)).status, 200, page);
      }
      if (!redirects) return;
      const { response } = await open(`${url}/chat?lang=ko`);
      assert.equal(response.statusCode, 301);
      const target = new URL(response.headers.location, `${url}/chat`);
      assert.equal(target.pathname, '/chat/');
      assert.equal((await fetchText(`${url}${target.pathname}`)).status, 200);
    });
  }
}

/** Set-ups of operators that double a slash or lose one; `path` is the engine's for clients. */
const BROKEN = {
  'nginx: location without a slash, proxy_pass with one': { proxy: nginx('location /socket.io { proxy_pass http://parlance/socket.io/; }'), path: '/socket.io' },
  'nginx: proxy_pass with two slashes': { proxy: nginx('location / { proxy_pass http://parlance//; }'), path: '/socket.io' },
  'nginx: location with a slash, proxy_pass without one': { proxy: nginx('location /socket.io/ { proxy_pass http://parlance/socket.io; }'), path: '/socket.io', itself: true },
  'nginx: a path that is taken away without its slash': { proxy: nginx('location /chat { proxy_pass http://parlance/; }'), path: '/chat/socket.io' },
  'Apache: ProxyPass of a path without a slash to one with it': {
    proxy: apache('ProxyPass /chat http://PARLANCE/ upgrade=websocket flushpackets=on'),
    path: '/chat/socket.io',
  },
  'Apache: ProxyPass to two slashes': { proxy: apache('ProxyPass / http://PARLANCE// upgrade=websocket flushpackets=on'), path: '/socket.io' },
  'HAProxy: replace-path that leaves a slash too many': {
    proxy: haproxy('default_backend parlance', 'http-request replace-path /chat(.*) /\\1'),
    path: '/chat/socket.io',
  },
};

for (const [name, { proxy, path, itself = false }] of Object.entries(BROKEN)) {
  scenario(`${name}: every generation talks`, async (scene) => {
    const server = await scene.chat(['--log', 'debug']);
    const { http: url } = await startProxy(scene, proxy, server.port, ['http']);
    // That set-up makes /socket.io1/ of what 0.9 asks for, and nginx itself redirects who sends no slash.
    const specs = kinds(path, { withTrailingSlash: itself }).filter(({ generation }) => !itself || !generation.startsWith('0.'));
    await everybodyTalks(scene, server, url, specs);
  });
}

scenario('0.9 leaves behind a proxy that folds its slashes', async (scene) => {
  const server = await scene.chat(['--log', 'debug']);
  const { http: url } = await startProxy(scene, BROKEN['nginx: location without a slash, proxy_pass with one'].proxy, server.port, ['http']);
  const [sid] = (await fetchText(`${url}/socket.io/1/`)).text.split(':');
  assert.equal((await fetchText(`${url}/socket.io/1/xhr-polling/${sid}`)).text, '1::');
  const { status, text } = await fetchText(`${url}/socket.io/1//${sid}/?disconnect=1`);
  assert.deepEqual({ status, text }, { status: 200, text: '' });
  await server.said(new RegExp(`closed.*${sid}|${sid}.*closed`));
});

scenario('a page of another origin learns where the engine is, and the log tells of it once', async (scene) => {
  const server = await scene.chat(['--base-path', '/chat/']);
  const client = scene.attempt(server.url, { generation: '4.8.4', wire: 'xhr-polling', path: '/io' });
  await client.until('connect_error');
  const [, line] = await server.said(/(.*where it is not.*)/);
  assert.match(line, /path="\/io\/".*expected="\/chat\/socket\.io\/"/);
});

/** Resolves as soon as HAProxy, which runs in that folder, says that of the server. */
async function state(folder, wanted) {
  const end = Date.now() + PATIENCE;
  for (let said = 'nothing'; ; ) {
    try {
      const [status, check] = await told(folder);
      if (status.startsWith(wanted) && check.startsWith('L7')) return;
      said = `${status}, ${check}`;
    } catch (error) {
      // its ports are open before this socket is there
      if (error.code !== 'ENOENT' && error.code !== 'ECONNREFUSED') throw error;
      said = error.message;
    }
    assert.ok(Date.now() < end, `HAProxy says ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What HAProxy says of the server, and of its last check of it. */
async function told(folder) {
  const socket = net.connect(join(folder, 'stats'));
  socket.end('show stat\n');
  let text = '';
  for await (const chunk of socket) text += chunk;
  const [names, ...lines] = text.trim().split('\n').map((line) => line.split(','));
  const [, , ...found] = lines.find((line) => line[0] === 'parlance' && line[1] === 'one');
  return ['status', 'check_status'].map((name) => found[names.indexOf(name) - 2]);
}

scenario('HAProxy with plain `option httpchk` finds the server up, and down as soon as it is not ready', async (scene) => {
  for (const [check, drains] of [['option httpchk', false], ['option httpchk GET /readyz', true]]) {
    const server = await scene.chat(['--drain-delay', '60s']);
    let folder;
    const config = haproxy('default_backend parlance', `${check}\n    default-server fall 1 rise 1`);
    await startProxy(scene, (...args) => config((folder = args[0]), ...args.slice(1)), server.port, ['http']);
    await state(folder, 'UP');
    assert.ok(!server.stderr.includes('OPTIONS') && !server.stderr.includes('readyz'), 'the log is silent about it');
    server.signal('SIGTERM');
    await server.said(/stopping/);
    if (drains) await state(folder, 'DOWN');
    assert.equal((await fetchText(`${server.url}/healthz`)).status, 200);
    assert.equal((await fetchText(`${server.url}/readyz`)).status, 503);
    await server.stop();
  }
});
