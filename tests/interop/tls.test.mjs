// Every generation over TLS that the binary itself speaks, with certificates made by openssl.

import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { after } from 'node:test';
import tls from 'node:tls';
import { Authority } from './lib/certificates.mjs';
import { everyKind, GENERATIONS } from './lib/clients.mjs';
import { CORPUS } from './lib/corpus.mjs';
import { eventually } from './lib/eventually.mjs';
import { exchange, exchangeNumbers, joinAll, Talk } from './lib/room.mjs';
import { scenario } from './lib/scenario.mjs';

const authority = new Authority();
after(() => authority.remove());
const { ca } = authority;
// Clients of 0.9 take no options of TLS. What they use falls back on these.
https.globalAgent.options.ca = ca;

/** `kind` with options of TLS. 1.0 knows none, and 1.3 does not hear a no; both take an agent. */
function withTls(kind, options = { ca }) {
  return { ...kind, tls: /^1\.[03]\./.test(kind.generation) ? { agent: new https.Agent(options) } : options };
}

const FIRST = '0.9.17';
const PLAIN_KINDS = everyKind([FIRST, ...GENERATIONS]);
const KINDS = PLAIN_KINDS.map((kind) => withTls(kind));

/** Flags for the files of one pair or several. */
function flags(...pairs) {
  return ['--tls-cert', pairs.map(({ cert }) => cert).join(','), '--tls-key', pairs.map(({ key }) => key).join(',')];
}

/** The certificate that a new connection to `port` is shown; `name` is what it asks for. */
async function shown(port, name = 'localhost') {
  const socket = tls.connect({ port, host: '127.0.0.1', servername: name, ca, checkServerIdentity: () => undefined });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

/** An answer to a GET: `{ status, headers, body }`. */
async function get(url, options = {}) {
  const request = (url.startsWith('https') ? https : http).get(url, { agent: false, ...options });
  const [response] = await once(request, 'response');
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk;
  return { status: response.statusCode, headers: response.headers, body };
}

for (const kind of ['rsa', 'ec']) {
  scenario(`everybody talks over wss and https, with a key of kind ${kind}`, async (scene) => {
    const { url } = await scene.chat(flags(authority.make(`talk-${kind}`, { kind })));
    assert.match(url, /^https:/);
    const everybody = await scene.clients(url, KINDS);
    for (const client of everybody) assert.equal(client.transport(), client.spec.wire, client.name);
    await joinAll(everybody);
    await exchange(everybody, CORPUS);
    await exchangeNumbers(everybody, 50);
    for (const client of everybody) assert.deepEqual(client.log.all('disconnect'), [], client.name);
  });
}

scenario('clients that check nothing are served as well', async (scene) => {
  const { url } = await scene.chat(flags(authority.make('unchecked', { names: ['DNS:elsewhere.example'] })));
  const unchecking = everyKind().map((kind) => withTls(kind, { rejectUnauthorized: false }));
  const everybody = await scene.clients(url, unchecking);
  await joinAll(everybody);
  await exchangeNumbers(everybody, 5);
});

scenario('polling by https is upgraded to wss in mid-conversation', async (scene) => {
  const { url } = await scene.chat(flags(authority.make('upgrade')));
  const partners = await scene.clients(url, KINDS.filter(({ generation }) => ['4.8.4', FIRST].includes(generation)));
  const movers = await scene.clients(url, GENERATIONS.map((generation) => withTls({ generation, wire: 'upgrade', name: `${generation} mover` })));
  const everybody = [...partners, ...movers];
  await joinAll(everybody);
  const talk = new Talk(everybody).chatter();
  await Promise.all(movers.map((mover) => mover.until('upgrade')));
  await talk.flowing(partners, movers, 10);
  await talk.end();
  for (const mover of movers) {
    assert.equal(mover.transport(), 'websocket', mover.name);
    assert.deepEqual(mover.log.all('disconnect'), [], mover.name);
  }
});

scenario('the certificate is chosen by name', async (scene) => {
  const [first, second] = [authority.make('first'), authority.make('second', { names: ['DNS:chat.example', 'DNS:*.chat.example'], kind: 'ec' })];
  const { port } = await scene.chat(flags(first, second));
  assert.equal(await shown(port), first.fingerprint);
  assert.equal(await shown(port, 'chat.example'), second.fingerprint);
  assert.equal(await shown(port, 'a.chat.example'), second.fingerprint);
  assert.equal(await shown(port, 'unknown.example'), first.fingerprint);
  assert.equal(await shown(port, ''), first.fingerprint);
});

scenario('new certificates reach new connections, and nobody loses an old one', async (scene) => {
  const pair = authority.make('renewed');
  const server = await scene.chat(flags(pair));
  const everybody = await scene.clients(server.url, KINDS);
  await joinAll(everybody);
  assert.equal(await shown(server.port), pair.fingerprint);

  // Found by looking.
  const next = authority.make('next', { kind: 'ec' });
  let from = server.stderr.length;
  authority.replace(pair, next);
  await server.said(/certificates loaded/, from);
  assert.equal(await shown(server.port), next.fingerprint);

  // Asked for.
  const afterNext = authority.make('after-next');
  from = server.stderr.length;
  authority.replace(pair, afterNext);
  server.signal('SIGHUP');
  await server.said(/certificates loaded/, from);
  assert.equal(await shown(server.port), afterNext.fingerprint);

  // Of no use.
  from = server.stderr.length;
  writeFileSync(pair.key, 'nothing\n');
  server.signal('SIGHUP');
  const [line] = await server.said(/.*new certificates refused.*/, from);
  assert.match(line, /WARN .*the old ones stay error=tls-key: .*renewed\.key holds no private key in PEM form$/);
  assert.equal(await shown(server.port), afterNext.fingerprint);

  await exchangeNumbers(everybody, 5);
  for (const client of everybody) assert.deepEqual(client.log.all('disconnect'), [], client.name);
});

scenario('a server that is told to end says so over TLS', async (scene) => {
  const server = await scene.chat(flags(authority.make('end')));
  const everybody = await scene.clients(server.url, KINDS);
  await joinAll(everybody);
  assert.equal((await server.stop('SIGTERM')).code, 0);
  for (const client of everybody) await client.until('disconnect');
});

scenario('the plain port sends on to https, which asks to be come back to', async (scene) => {
  const server = await scene.chat([...flags(authority.make('redirect')), '--redirect-port', '0', '--hsts', '365d']);
  const [, plain] = await server.said(/redirecting from (http:\/\/127\.0\.0\.1:\d+)/);
  const sent = await get(`${plain}/diagnostics?a=b`);
  assert.deepEqual([sent.status, sent.headers.location], [301, `${server.url}/diagnostics?a=b`]);
  assert.equal(sent.headers['strict-transport-security'], undefined);
  for (const path of ['/diagnostics', '/nope', '/socket.io/?EIO=4&transport=polling', '/socket.io/?EIO=4&transport=pigeon']) {
    const { headers } = await get(server.url + path, { ca });
    assert.equal(headers['strict-transport-security'], 'max-age=31536000', path);
  }
});

scenario('who speaks the wrong protocol is told, and the log names it', async (scene) => {
  const secure = await scene.chat([...flags(authority.make('wrong')), '--log', 'debug']);
  const { status, body } = await get(secure.url.replace('https', 'http'));
  assert.deepEqual([status, body], [400, 'this port speaks https\n']);
  await secure.said(/connection refused remote=127\.0\.0\.1 reason=plain HTTP on the TLS port/);

  const plain = await scene.chat(['--log', 'debug']);
  await assert.rejects(get(plain.url.replace('http', 'https')), /handshake failure/);
  await plain.said(/connection refused remote=127\.0\.0\.1 reason=TLS on the plain port/);
  assert.equal((await get(plain.url)).status, 200);
});

/** A proxy that passes bytes on, with a header of its own before them. */
async function startProxy(scene, port, header) {
  const proxy = net.createServer((client) => {
    const server = net.connect(port, '127.0.0.1');
    server.write(header);
    client.pipe(server).pipe(client);
    for (const [one, other] of [[client, server], [server, client]]) one.on('error', () => other.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  scene.atEnd(() => proxy.close());
  return proxy.address().port;
}

const V1 = 'PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n';
const V2 = Buffer.from('0d0a0d0a000d0a515549540a' + '2111000c' + 'c0000208c6336401dc0401bb', 'hex');

for (const secure of [true, false]) {
  scenario(`behind a proxy that speaks the PROXY protocol, ${secure ? 'and TLS after it' : 'and plain HTTP after it'}`, async (scene) => {
    const [tlsFlags, kinds] = secure ? [flags(authority.make('proxied')), KINDS] : [[], PLAIN_KINDS];
    const server = await scene.chat([...tlsFlags, '--proxy-protocol', 'true', '--trusted-proxies', 'loopback', '--log', 'debug']);
    const everybody = [];
    for (const [version, header, remote] of [['v1', V1, '192.0.2.7'], ['v2', V2, '192.0.2.8']]) {
      const port = await startProxy(scene, server.port, header);
      const url = server.url.replace(String(server.port), String(port));
      const from = server.stderr.length;
      everybody.push(...(await scene.clients(url, kinds.map((kind) => ({ ...kind, name: `${kind.name} ${version}` })))));
      const remotes = () => [...server.stderr.slice(from).matchAll(/remote=(\S+?)}: .*handshake /g)].map(([, address]) => address);
      await eventually(() => assert.ok(remotes().length >= kinds.length, server.stderr.slice(from)));
      assert.ok(remotes().every((address) => address === remote), String(remotes()));
    }
    await joinAll(everybody);
    await exchangeNumbers(everybody, 10);
    await assert.rejects(get(server.url, { ca }));
    await server.said(/connection refused remote=127\.0\.0\.1 reason=bad PROXY header: there is none/);
  });
}
