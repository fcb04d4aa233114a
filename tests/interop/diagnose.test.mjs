// `parlance diagnose` against real servers and through real proxies: what it says, and its exit status.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { after, describe } from 'node:test';
import { Authority } from './lib/certificates.mjs';
import { nginx, startProxy } from './lib/proxy.mjs';
import { scenario } from './lib/scenario.mjs';
import { locateChat } from './lib/server.mjs';

const require = createRequire(import.meta.url);
const BINARY = locateChat();
const authority = new Authority();
after(() => authority.remove());

const POLLS = ['xhr-polling', 'jsonp-polling'];
const STREAMS = ['eventsource', 'htmlfile'];
const ALL = ['websocket', ...STREAMS, ...POLLS];

/** For nginx: it keeps bodies in memory, because its workers may not write into the folders of the tests. */
const BODIES = 'client_body_buffer_size 256k; ';

/** Runs the command. `of(group, check)` is one step of the result, `direct` the same of the other way. */
async function diagnose(url, args = [], { env = {}, timeout = '4' } = {}) {
  const child = spawn(BINARY, ['diagnose', url, '--json', '--timeout', timeout, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const told = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => (told[name] += text));
  const [code] = await once(child, 'close');
  assert.equal(told.stderr, '', 'with --json nothing but the result is said');
  const json = JSON.parse(told.stdout);
  assert.equal(json.status, code, 'the status is that of the process');
  const find = (checks) => (group, check) => checks.find((one) => one.group === group && one.check === check);
  const failed = json.checks.filter((one) => one.outcome === 'fail').map((one) => `${one.group} ${one.check}`);
  return { code, json, failed, text: told.stdout, of: find(json.checks), direct: json.direct && find(json.direct.checks) };
}

/** The cause that a step was given, where it is, and how sure that is. */
function cause(check) {
  const { cause: name, where, certainty } = check?.verdict ?? {};
  return [name, where, certainty];
}

function outcomes(result, group, names, outcome) {
  for (const name of names) assert.equal(result.of(group, name)?.outcome, outcome, `${group} ${name}\n${result.text}`);
}

// Each waits most of the time: for what a silence of some seconds does.
describe('the command', { concurrency: 4 }, () => {
  scenario('a clean way to Parlance: every transport of every generation works', async (scene) => {
    const server = await scene.chat();
    const result = await diagnose(server.url, ['--origin', 'https://app.example', '--direct', `127.0.0.1:${server.port}`]);
    assert.deepEqual([result.code, result.failed], [0, []], result.text);
    outcomes(result, 'EIO=4', [...ALL, 'upgrade'], 'ok');
    outcomes(result, 'EIO=3', [...ALL, 'upgrade'], 'ok');
    outcomes(result, '0.9', ['websocket', 'htmlfile', ...POLLS], 'ok');
    outcomes(result, 'way', ['dns', 'tcp', 'http', 'headers'], 'ok');
    outcomes(result, 'more', ['instances', 'cors'], 'ok');
    assert.match(result.of('EIO=4', 'websocket').text, /64 kB each way, 6 s of silence/);
    assert.deepEqual(result.json.direct.differences, []);
    assert.equal(result.of('way', 'headers').details.client, '127.0.0.1');
  });

  scenario('the text is for people', async (scene) => {
    const server = await scene.chat();
    const child = spawn(BINARY, ['diagnose', server.url], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (piece) => (text += piece));
    const [code] = await once(child, 'close');
    assert.equal(code, 0, text);
    assert.match(text, /\n {2}ok {4}websocket {6}open \d+ ms, round trip \d+ ms, 64 kB each way/);
    assert.match(text, /\nAll is well\.\n$/);
  });

  scenario('nginx without the lines for upgrades: the WebSocket alone fails, and the way past nginx shows it', async (scene) => {
    const server = await scene.chat();
    const location = BODIES + 'location / { proxy_pass http://parlance; proxy_set_header Upgrade ""; proxy_set_header Connection ""; proxy_buffering off; }';
    const proxy = await startProxy(scene, nginx(location), server.port, ['http']);
    const result = await diagnose(proxy.http, ['--direct', `127.0.0.1:${server.port}`]);
    assert.equal(result.code, 1);
    assert.deepEqual(result.failed, ['way headers', 'EIO=4 websocket', 'EIO=3 websocket', '0.9 websocket'], result.text);
    const { facts } = result.of('EIO=4', 'websocket');
    assert.deepEqual([facts.step, facts['upgrade-status'], facts['http-by'], facts['http-status']], ['open', 400, 'parlance', 400]);
    assert.match(facts['upgrade-server'], /nginx/);
    for (const group of ['EIO=4', 'EIO=3', '0.9']) assert.deepEqual(cause(result.of(group, 'websocket')), ['upgrade-header-dropped', 'proxy', 'certain'], result.text);
    assert.equal(result.of('way', 'headers').facts['upgrade-fault'], 'upgrade-missing');
    assert.equal(result.direct('EIO=4', 'websocket').outcome, 'ok');
    const told = result.json.direct.differences.find((one) => one.group === 'EIO=4' && one.check === 'websocket');
    assert.match(told.text, /works directly: the cause is what stands between/);
  });

  scenario('nginx with small bodies: what goes up in 64 kB fails, by every transport that posts', async (scene) => {
    const server = await scene.chat();
    const location = 'client_max_body_size 1k; location / { proxy_pass http://parlance; proxy_buffering off; }';
    const proxy = await startProxy(scene, nginx(location), server.port, ['http']);
    const result = await diagnose(proxy.http);
    assert.equal(result.code, 1);
    outcomes(result, 'EIO=4', ['websocket'], 'ok');
    outcomes(result, 'EIO=4', [...STREAMS, ...POLLS], 'fail');
    for (const name of POLLS) assert.deepEqual(cause(result.of('EIO=4', name)), ['body-limit', 'proxy', 'certain'], result.text);
  });

  scenario('nginx that buffers: streams come at their end', async (scene) => {
    const server = await scene.chat();
    // Parlance asks for no buffering; this proxy does not listen. By HTTP/1.0 it cannot see where pieces end.
    const location = BODIES + 'location / { proxy_pass http://parlance; proxy_http_version 1.0; proxy_ignore_headers X-Accel-Buffering; proxy_buffers 8 128k; proxy_buffer_size 128k; }';
    const proxy = await startProxy(scene, nginx(location), server.port, ['http']);
    const result = await diagnose(proxy.http);
    outcomes(result, 'EIO=4', POLLS, 'ok');
    outcomes(result, 'EIO=4', ['websocket', ...STREAMS], 'fail');
    assert.deepEqual(cause(result.of('EIO=4', 'websocket')), ['proxy-http10', 'proxy', 'certain'], result.text);
    for (const name of STREAMS) assert.deepEqual(cause(result.of('EIO=4', name)), ['stream-buffered', 'proxy', 'certain'], result.text);
  });

  scenario('two instances in turn: sessions are not found, and the instances are counted', async (scene) => {
    const servers = [await scene.chat(), await scene.chat()];
    const location = BODIES + 'location / { proxy_pass http://pair; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_of_upstream; proxy_buffering off; }';
    const pair = `upstream pair { ${servers.map(({ port }) => `server 127.0.0.1:${port};`).join(' ')} }`;
    const configure = (...args) => {
      const made = nginx(location)(...args);
      const file = made.run.at(-1);
      const { readFileSync, writeFileSync } = require('node:fs');
      writeFileSync(file, readFileSync(file, 'utf8').replace('upstream parlance', `${pair} upstream parlance`));
      return made;
    };
    const proxy = await startProxy(scene, configure, servers[0].port, ['http']);
    const result = await diagnose(proxy.http);
    assert.equal(result.code, 1);
    // Polling fails, unless its requests have the luck to meet their own instance each time.
    outcomes(result, 'EIO=4', ['websocket'], 'ok');
    const { facts, details } = result.of('more', 'instances');
    assert.deepEqual(cause(result.of('more', 'instances')), ['several-servers', 'proxy', 'certain'], result.text);
    assert.ok(facts['sid-unknown-ratio'] > 0.2, result.text);
    assert.equal(details.instances.length, 2);
  });

  for (const [name, made, fact] of [
    ['for another name', { names: ['DNS:other.example'] }, 'name'],
    ['that is over', { valid: ['20200101000000Z', '20200201000000Z'] }, 'expired'],
  ]) {
    scenario(`a certificate ${name} is told, and the rest is tested`, async (scene) => {
      const { cert, key } = authority.make(`diagnose-${fact}`, made);
      const server = await scene.chat(['--tls-cert', cert, '--tls-key', key]);
      const result = await diagnose(server.url, [], { env: { SSL_CERT_FILE: authority.file('ca.pem') } });
      assert.deepEqual([result.code, result.failed], [1, ['way tls']], result.text);
      assert.deepEqual(cause(result.of('way', 'tls')), [`certificate-${fact}`, 'server', 'certain']);
      outcomes(result, 'EIO=4', ALL, 'ok');
    });
  }

  scenario('a good certificate, by its authority and without', async (scene) => {
    const { cert, key } = authority.make('diagnose-good');
    const server = await scene.chat(['--tls-cert', cert, '--tls-key', key]);
    const [known, stranger] = await Promise.all([
      diagnose(server.url, [], { env: { SSL_CERT_FILE: authority.file('ca.pem') } }),
      diagnose(server.url, [], { env: { SSL_CERT_FILE: '/dev/null' } }),
    ]);
    // It ends in two days.
    assert.deepEqual([known.code, known.of('way', 'tls').outcome], [0, 'warn'], known.text);
    assert.match(known.of('way', 'tls').text, /TLS 1\.3, for .*localhost/);
    assert.deepEqual([stranger.code, stranger.of('way', 'tls').verdict.cause], [1, 'certificate-untrusted'], stranger.text);
  });

  scenario('what the policy does not offer is no fault', async (scene) => {
    const server = await scene.chat(['--transports', 'websocket,xhr-polling']);
    const result = await diagnose(server.url);
    assert.deepEqual([result.code, result.failed], [0, []], result.text);
    outcomes(result, 'EIO=4', ['websocket', 'xhr-polling'], 'ok');
    outcomes(result, 'EIO=4', [...STREAMS, 'jsonp-polling'], 'off');
    assert.match(result.of('EIO=4', 'eventsource').text, /not allowed here; allowed: websocket, xhr-polling/);
  });

  scenario('pages of other origins are told what keeps them out', async (scene) => {
    const server = await scene.chat(['--origins', 'https://app.example']);
    const [good, other] = await Promise.all(['https://app.example', 'https://b.example'].map((origin) => diagnose(server.url, ['--origin', origin])));
    assert.deepEqual([good.code, good.of('more', 'cors').outcome], [0, 'ok'], good.text);
    assert.equal(other.code, 1);
    for (const [group, name] of [['EIO=4', 'websocket'], ['EIO=4', 'xhr-polling'], ['more', 'cors']]) {
      assert.deepEqual(cause(other.of(group, name)), ['origin-not-allowed', 'policy', 'certain'], other.text);
    }
  });

  scenario('caps are no network fault', async (scene) => {
    const server = await scene.chat(['--max-websockets', '1']);
    const { default: WebSocket } = await import('ws');
    const taken = new WebSocket(`${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    await once(taken, 'open');
    const result = await diagnose(server.url);
    taken.terminate();
    assert.equal(result.code, 1);
    assert.deepEqual(cause(result.of('EIO=4', 'websocket')), ['websockets-full', 'policy', 'certain'], result.text);
  });

  scenario('nothing listens, no such name, no HTTP: nothing can be diagnosed', async (scene) => {
    const mute = net.createServer((socket) => socket.on('data', () => {}).on('error', () => {}));
    await once(mute.listen(0, '127.0.0.1'), 'listening');
    const closed = net.createServer((socket) => socket.destroy());
    await once(closed.listen(0, '127.0.0.1'), 'listening');
    const gone = net.createServer();
    await once(gone.listen(0, '127.0.0.1'), 'listening');
    const port = gone.address().port;
    await new Promise((resolve) => gone.close(resolve));
    scene.atEnd(() => (mute.close(), closed.close()));
    for (const [url, step] of [
      [`http://127.0.0.1:${port}`, 'tcp'],
      ['http://nobody.invalid', 'dns'],
      [`http://127.0.0.1:${mute.address().port}`, 'engine'],
      [`http://127.0.0.1:${closed.address().port}`, 'engine'],
      [`https://127.0.0.1:${closed.address().port}`, 'tls'],
    ]) {
      const result = await diagnose(url, [], { timeout: '1' });
      assert.equal(result.code, 2, `${url}\n${result.text}`);
      assert.equal(result.of('way', step).outcome, 'fail', `${url}\n${result.text}`);
      if (step !== 'tls') assert.equal(result.of('way', step).verdict.cause, 'unreachable', result.text);
    }
  });

  scenario('a server that answers without end does not hold it up', async (scene) => {
    const endless = http.createServer((request, response) => {
      const pour = () => {
        while (response.writable && response.write('x'.repeat(65536)));
      };
      response.on('drain', pour).on('error', () => {});
      pour();
    });
    await once(endless.listen(0, '127.0.0.1'), 'listening');
    scene.atEnd(() => (endless.closeAllConnections(), endless.close()));
    const result = await diagnose(`http://127.0.0.1:${endless.address().port}`, [], { timeout: '1' });
    assert.notEqual(result.code, 0);
  });

  scenario('an idle time-out on the way is found', async (scene) => {
    const server = await scene.chat();
    const location = BODIES + 'location / { proxy_pass http://parlance; proxy_read_timeout 8s; proxy_buffering off; }';
    const proxy = await startProxy(scene, nginx(location), server.port, ['http']);
    const [cut, whole] = await Promise.all([diagnose(proxy.http, ['--idle', '12']), diagnose(server.url, ['--idle', '12'])]);
    const { facts, text } = cut.of('more', 'idle websocket');
    assert.ok(facts['idle-limit-ms'] > 7000 && facts['idle-limit-ms'] < 9500, text);
    assert.deepEqual(cause(cut.of('more', 'idle websocket')), ['idle-timeout', 'proxy', 'certain']);
    assert.equal(cut.of('more', 'idle xhr-polling').outcome, 'fail', cut.text);
    assert.deepEqual([whole.code, whole.of('more', 'idle websocket').outcome], [0, 'ok'], whole.text);
  });

  for (const [name, start, spoken] of [
    ['2', (server) => require('socket.io-2')(server), { 'EIO=3': true, 'EIO=4': false }],
    ['4', (server) => new (require('socket.io').Server)(server), { 'EIO=3': false, 'EIO=4': true }],
    ['4 for old clients, too', (server) => new (require('socket.io').Server)(server, { allowEIO3: true }), { 'EIO=3': true, 'EIO=4': true }],
  ]) {
    scenario(`Node's Socket.IO ${name}`, async (scene) => {
      const server = http.createServer();
      const io = start(server);
      await once(server.listen(0, '127.0.0.1'), 'listening');
      scene.atEnd(() => (io.close(), server.close()));
      const result = await diagnose(`http://127.0.0.1:${server.address().port}`);
      assert.deepEqual([result.code, result.failed], [0, []], result.text);
      for (const [group, speaks] of Object.entries(spoken)) {
        if (speaks) outcomes(result, group, ['websocket', ...POLLS, 'upgrade'], 'ok');
        else outcomes(result, group, ['all'], 'off');
      }
      outcomes(result, '0.9', ['all'], 'off');
      outcomes(result, 'more', ['instances'], 'ok');
    });
  }

  scenario("Node's Socket.IO behind nginx without the lines for upgrades", async (scene) => {
    const server = http.createServer();
    const io = new (require('socket.io').Server)(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    scene.atEnd(() => (io.close(), server.close()));
    const location = BODIES + 'location / { proxy_pass http://parlance; proxy_set_header Upgrade ""; proxy_set_header Connection ""; proxy_buffering off; }';
    const proxy = await startProxy(scene, nginx(location), server.address().port, ['http']);
    const result = await diagnose(proxy.http);
    assert.deepEqual([result.code, result.failed], [1, ['EIO=4 websocket']], result.text);
    // Node does not say which header it misses.
    assert.deepEqual(cause(result.of('EIO=4', 'websocket')), ['upgrade-headers-lost', 'proxy', 'likely'], result.text);
  });
});
