// Behind the real nginx, HAProxy and Apache, with the very files of hosting/: what is changed in them is where they
// listen, where the server is, and which certificate they show.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { join } from 'node:path';
import { after } from 'node:test';
import { Authority } from './lib/certificates.mjs';
import { everyKind } from './lib/clients.mjs';
import { PATIENCE, apache, changed, fetchText, open, startProxy } from './lib/proxy.mjs';
import { exchangeNumbers, joinAll } from './lib/room.mjs';
import { scenario } from './lib/scenario.mjs';

const authority = new Authority();
after(() => authority.remove());
const { ca } = authority;
// Clients of 0.9 take no options of TLS. What they use falls back on these.
https.globalAgent.options.ca = ca;
const { cert, key } = authority.make('proxy');

const GENERATIONS = ['0.9.17', '1.7.4', '2.5.0', '4.8.4'];

const sample = (name) => readFileSync(new URL(`../../hosting/${name}`, import.meta.url), 'utf8');

/** Writes the configuration of a proxy into `folder`; returns how to check it and how to run it. */
const PROXIES = {
  nginx(folder, ports, upstream) {
    let site = sample('nginx.conf');
    site = changed(site, 'listen 80;', `listen 127.0.0.1:${ports.http};`);
    site = changed(site, 'listen 443 ssl;', `listen 127.0.0.1:${ports.https} ssl;`);
    site = changed(site, 'server 127.0.0.1:3000;', `server 127.0.0.1:${upstream};`);
    site = changed(site, '/etc/ssl/chat.example.pem', cert);
    site = changed(site, '/etc/ssl/chat.example.key', key);
    writeFileSync(join(folder, 'site.conf'), site);
    // what the package's own nginx.conf does around it
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
    writeFileSync(join(folder, 'nginx.conf'), `daemon off; pid ${folder}/pid; error_log stderr; events {} http { access_log off; ${temporary.join(' ')} include ${folder}/site.conf; }`);
    const args = ['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')];
    return { program: 'nginx', check: [...args, '-t'], run: args };
  },
  haproxy(folder, ports, upstream) {
    let config = sample('haproxy.cfg');
    config = changed(config, 'bind :80', `bind 127.0.0.1:${ports.http}`);
    config = changed(config, 'bind :443', `bind 127.0.0.1:${ports.https}`);
    config = changed(config, '/etc/haproxy/chat.example.pem', join(folder, 'both.pem'));
    config = changed(config, 'server one 127.0.0.1:3000', `server one 127.0.0.1:${upstream}`);
    writeFileSync(join(folder, 'both.pem'), readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'));
    writeFileSync(join(folder, 'haproxy.cfg'), config);
    const args = ['-f', join(folder, 'haproxy.cfg')];
    return { program: 'haproxy', check: ['-c', ...args], run: ['-db', ...args] };
  },
  apache: apache(apacheSites),
};

/** A sample for https alone; here it has a twin in the clear. */
function apacheSites(ports, upstream) {
  let site = sample('apache.conf');
  site = changed(site, 'http://127.0.0.1:3000/', `http://127.0.0.1:${upstream}/`);
  site = changed(site, '/etc/ssl/chat.example.pem', cert);
  site = changed(site, '/etc/ssl/chat.example.key', key);
  const plain = changed(site, 'SSLEngine on', 'SSLEngine off');
  return [changed(site, '*:443', `127.0.0.1:${ports.https}`), changed(plain, '*:443', `127.0.0.1:${ports.http}`)].join('\n');
}

/** HAProxy that passes bytes on, with the back end of docs/hosting.md: in the clear by version 1, by TLS that ends there by version 2. */
function haproxyTcp(folder, ports, upstream) {
  const docs = readFileSync(new URL('../../docs/hosting.md', import.meta.url), 'utf8');
  const [, backend] = docs.match(/```haproxy\n(backend [^]*?)```/);
  const sender = changed(backend, '10.0.0.5:3000', `127.0.0.1:${upstream}`);
  const config = [
    'defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 75s\n    timeout server 75s',
    `frontend plain\n    bind 127.0.0.1:${ports.http}\n    default_backend first`,
    `frontend secure\n    bind 127.0.0.1:${ports.https} ssl crt ${folder}/both.pem\n    default_backend second`,
    changed(changed(sender, 'backend parlance', 'backend first'), 'send-proxy-v2 ', 'send-proxy '),
    changed(changed(sender, 'backend parlance', 'backend second'), 'send-proxy-v2 ', 'send-proxy-v2-ssl '),
  ];
  writeFileSync(join(folder, 'both.pem'), readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'));
  writeFileSync(join(folder, 'haproxy.cfg'), `${config.join('\n')}\n`);
  const args = ['-f', join(folder, 'haproxy.cfg')];
  return { program: 'haproxy', check: ['-c', ...args], run: ['-db', ...args] };
}

/** Clients of every generation and kind at that URL. */
function kindsAt(url) {
  const wires = ['websocket', 'xhr-polling', 'upgrade'];
  return everyKind(GENERATIONS, wires)
    .filter(({ generation, wire }) => wire !== 'upgrade' || !generation.startsWith('0.'))
    .map((kind) => ({ ...kind, url, name: `${kind.name} ${url.split(':')[0]}`, tls: { ca } }));
}

/** Collects a response, and resolves with the match as soon as that has come. */
function reader(response) {
  let text = '';
  response.on('data', (chunk) => (text += chunk));
  return async (pattern) => {
    const patience = AbortSignal.timeout(PATIENCE);
    for (;;) {
      const match = pattern.exec(text);
      if (match) return match;
      assert.equal(response.complete, false, `the response ended before ${pattern}: ${text}`);
      await once(response, 'data', { signal: patience });
    }
  };
}

for (const name of Object.keys(PROXIES)) {
  scenario(`${name}: every generation talks through it, in the clear and by TLS`, async (scene) => {
    const server = await scene.chat(['--trusted-proxies', 'loopback', '--ping-interval', '1s', '--ping-timeout', '20s']);
    const proxy = await startProxy(scene, PROXIES[name], server.port);
    const kinds = [...kindsAt(proxy.http), ...kindsAt(proxy.https)];
    const everybody = await Promise.all(kinds.map((kind) => scene.client(kind.url, kind)));
    await joinAll(everybody);
    await exchangeNumbers(everybody, 20);
    for (const client of everybody) {
      if (client.spec.wire !== 'upgrade') assert.equal(client.transport(), client.spec.wire, client.name);
      else if (client.transport() !== 'websocket') await client.until('upgrade');
      assert.deepEqual(client.log.all('disconnect'), [], client.name);
    }
  });

  scenario(`${name}: streams come through piece by piece, and a poll is held`, async (scene) => {
    const server = await scene.chat(['--trusted-proxies', 'loopback', '--ping-interval', '1s', '--ping-timeout', '20s']);
    const proxy = await startProxy(scene, PROXIES[name], server.port);
    for (const base of [proxy.http, proxy.https]) {
      for (const transport of ['eventsource', 'htmlfile']) {
        const path = `${base}/socket.io/?EIO=4&transport=${transport}&client=parlance`;
        const { request, response } = await open(path);
        const comes = reader(response);
        const [, sid] = await comes(/\\?"sid\\?":\\?"([^"\\]+)/);
        const posted = await fetchText(`${path}&sid=${sid}`, { method: 'POST', body: '40' });
        assert.deepEqual(posted, { status: 200, text: 'ok' });
        // the answer, and the heartbeat after it, while the response goes on
        await comes(/40\{[^]*"2"/);
        assert.equal(response.complete, false, 'the response goes on');
        request.destroy();
      }
      const path = `${base}/socket.io/?EIO=4&transport=polling`;
      const { sid } = JSON.parse((await fetchText(path)).text.slice(1));
      const held = await fetchText(`${path}&sid=${sid}`);
      assert.deepEqual(held, { status: 200, text: '2' }, 'the heartbeat, a second later');
    }
  });

  scenario(`${name}: the client counts, not the proxy, and nobody talks himself into something`, async (scene) => {
    const server = await scene.chat(['--trusted-proxies', '127.0.0.1', '--match-origin-protocol', 'true', '--log', 'debug']);
    const proxy = await startProxy(scene, PROXIES[name], server.port);
    const status = async (base, headers) => (await fetchText(`${base}/socket.io/?EIO=4&transport=polling`, { headers })).status;
    const secure = { Origin: 'https://chat.example' };
    const plain = { Origin: 'http://chat.example' };
    assert.equal(await status(proxy.https, secure), 200);
    assert.equal(await status(proxy.http, plain), 200);
    assert.equal(await status(proxy.http, secure), 403);
    assert.equal(await status(proxy.https, plain), 403);
    const lies = { 'X-Forwarded-Proto': 'https', Forwarded: 'for=192.0.2.66;proto=https', 'X-Forwarded-For': '192.0.2.66', 'X-Forwarded-Host': 'evil.example' };
    assert.equal(await status(proxy.http, { ...secure, ...lies }), 403);
    assert.equal(await status(proxy.https, { ...secure, ...lies }), 200);
    assert.ok(!server.stderr.includes('192.0.2.66'), 'what the client wrote is gone');
  });

  scenario(`${name}: a page is of the same host through it`, async (scene) => {
    const server = await scene.chat(['--trusted-proxies', 'loopback', '--origins', 'same-host']);
    const proxy = await startProxy(scene, PROXIES[name], server.port);
    const path = (base) => `${base}/socket.io/?EIO=4&transport=polling`;
    for (const base of [proxy.http, proxy.https]) {
      assert.equal((await fetchText(path(base), { headers: { Origin: base } })).status, 200);
      assert.equal((await fetchText(path(base), { headers: { Origin: 'https://evil.example' } })).status, 403);
    }
  });
}

/** A TCP proxy that passes each byte on after `delay` ms, and the end of each side as well. */
async function delaying(scene, delay, port) {
  const server = net.createServer({ allowHalfOpen: true }, (near) => {
    const far = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on('data', (bytes) => setTimeout(() => to.write(bytes), delay));
      from.on('end', () => setTimeout(() => to.end(), delay));
      from.on('error', () => to.destroy());
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  scene.atEnd(() => server.close());
  return server.address().port;
}

// The pause is such that each message would be on its way when a connection that is open for `header-timeout`
// ends: nginx answers 502 then, and sends no POST twice.
scenario('nginx: no message meets the end of a connection that nginx keeps', async (scene) => {
  const server = await scene.chat(['--trusted-proxies', 'loopback', '--header-timeout', '1s']);
  const proxy = await startProxy(scene, PROXIES.nginx, await delaying(scene, 60, server.port));
  const path = `${proxy.http}/socket.io/?EIO=4&transport=polling`;
  const { sid } = JSON.parse((await fetchText(path)).text.slice(1));
  for (let message = 0; message < 8; message += 1) {
    await new Promise((resolve) => setTimeout(resolve, 880 + 15 * message));
    const posted = await fetchText(`${path}&sid=${sid}`, { method: 'POST', body: message ? '42["stop typing"]' : '40' });
    assert.deepEqual(posted, { status: 200, text: 'ok' }, `message ${message}`);
  }
});

scenario('haproxy passes bytes on, and tells by PROXY headers of both versions for whom', async (scene) => {
  const server = await scene.chat(['--proxy-protocol', 'true', '--trusted-proxies', 'loopback', '--match-origin-protocol', 'true', '--log', 'debug']);
  const proxy = await startProxy(scene, haproxyTcp, server.port);
  const kinds = [...kindsAt(proxy.http), ...kindsAt(proxy.https)];
  const everybody = await Promise.all(kinds.map((kind) => scene.client(kind.url, kind)));
  await joinAll(everybody);
  await exchangeNumbers(everybody, 10);
  for (const client of everybody) assert.deepEqual(client.log.all('disconnect'), [], client.name);
  const status = async (base, origin) => (await fetchText(`${base}/socket.io/?EIO=4&transport=polling`, { headers: { Origin: origin } })).status;
  assert.equal(await status(proxy.https, 'https://chat.example'), 200, 'version 2 tells of TLS');
  assert.equal(await status(proxy.https, 'http://chat.example'), 403);
  assert.equal(await status(proxy.http, 'http://chat.example'), 200);
  assert.equal(await status(proxy.http, 'https://chat.example'), 403);
});
