// The modern client in Node: what only Node has. The rest is in modern.test.mjs.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import http from 'node:http';
import https from 'node:https';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Server } from 'socket.io';
import { Authority } from './lib/certificates.mjs';
import { installed } from './lib/modern-stage.mjs';
import { startNodeServer } from './lib/suite-server.mjs';

const require = createRequire(import.meta.url);
const run = promisify(execFile);
const folder = installed();
const { io, Manager, Socket, protocol, connect, Fetch, WebSocket, NodeXHR, NodeWebSocket, default: same } = await import(join(folder, 'socket.io.node.mjs'));

/** Connects, and resolves with the transport and what `echo` answers; rejects with a connect_error. */
function talk(client, url, options) {
  const socket = client(url, { forceNew: true, reconnection: false, ...options });
  return new Promise((resolve, reject) => {
    socket.on('connect_error', reject);
    socket.emit('echo', 'x', (answer) => resolve([socket.io.engine.transport.name, answer]));
  }).finally(() => socket.disconnect());
}

describe('the modern client in Node', () => {
  let server;
  before(async () => (server = await startNodeServer()));
  after(() => server.stop());

  it('exports the same by import and by require', () => {
    const required = require(join(folder, 'socket.io.node.cjs'));
    const names = ['io', 'connect', 'Manager', 'Socket', 'protocol', 'Fetch', 'WebSocket', 'XHR', 'NodeXHR', 'NodeWebSocket'];
    for (const name of names) assert.equal(typeof required[name], name === 'protocol' ? 'number' : 'function', name);
    assert.ok(same === io && connect === io && io.Manager === Manager && io.Socket === Socket && protocol === 5 && WebSocket === NodeWebSocket);
    assert.equal(typeof require(join(folder, 'socket.io.min.js')), 'function', 'the script, as a CommonJS module');
  });

  it('takes classes of transports', async () => {
    assert.deepEqual(await talk(io, server.url, { transports: [Fetch] }), ['polling', 'x']);
    assert.deepEqual(await talk(io, server.url, { transports: [NodeWebSocket] }), ['websocket', 'x']);
    assert.deepEqual(await talk(io, server.url, { transports: [NodeXHR] }), ['polling', 'x']);
  });

  it('takes the published parser of MessagePack', async () => {
    const parser = require('socket.io-msgpack-parser');
    const packed = await startNodeServer({ parser });
    assert.deepEqual(await talk(io, packed.url, { parser }), ['polling', 'x']);
    await packed.stop();
  });

  it('polls where there is no WebSocket, and says so if there is nothing else', { skip: typeof globalThis.WebSocket === 'function' && 'this Node has one' }, async () => {
    const { io: bare } = await import(join(installed({ ws: false }), 'socket.io.node.mjs'));
    assert.deepEqual(await talk(bare, server.url), ['polling', 'x']);
    await assert.rejects(talk(bare, server.url, { transports: ['websocket'] }), { message: 'No transports available' });
  });

  it('follows redirects of polling', async () => {
    const elsewhere = await startNodeServer();
    const redirect = (request, response) => response.writeHead(308, { Location: elsewhere.url + request.url }).end();
    const site = http.createServer(redirect);
    await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
    const socket = io(`http://127.0.0.1:${site.address().port}`, { transports: ['polling'], upgrade: false, reconnection: false });
    await new Promise((resolve, reject) => socket.once('connect_error', reject).io.engine.on('open', resolve));
    socket.disconnect();
    site.close();
    await elsewhere.stop();
  });

  for (const transport of ['polling', 'websocket']) {
    it(`trusts a server by ca, and nobody without (${transport})`, async () => {
      const authority = new Authority();
      const { cert, key } = authority.make('server');
      const web = https.createServer({ cert: readFileSync(cert), key: readFileSync(key) });
      const secure = new Server(web);
      secure.on('connection', (socket) => socket.on('echo', (value, answer) => answer(value)));
      await new Promise((resolve) => web.listen(0, '127.0.0.1', resolve));
      const url = `https://127.0.0.1:${web.address().port}`;
      const transports = [transport];
      assert.deepEqual(await talk(io, url, { transports, ca: authority.ca }), [transport, 'x']);
      assert.deepEqual(await talk(io, url, { transports, rejectUnauthorized: false }), [transport, 'x']);
      await assert.rejects(talk(io, url, { transports }), { message: transport === 'polling' ? 'xhr poll error' : 'websocket error' });
      await secure.close();
      authority.remove();
    });
  }

  for (const [name, options, url] of [
    ['polling', { transports: ['polling'] }],
    ['websocket', { transports: ['websocket'] }],
    ['upgrade', {}],
    ['nobody there', {}, 'http://127.0.0.1:1'],
  ]) {
    it(`autoUnref lets the process end (${name})`, async () => {
      const script = `
        const { io } = require(${JSON.stringify(join(folder, 'socket.io.node.cjs'))});
        const socket = io(${JSON.stringify(url ?? server.url)}, { autoUnref: true, ...${JSON.stringify(options)} });
        const done = () => clearTimeout(timer);
        const timer = setTimeout(() => process.exit(1), 20000);
        socket.on('connect', () => socket.io.engine.on('upgrade', done) && ${name !== 'upgrade'} && done());
        socket.io.on('reconnect_error', done);`;
      await run(process.execPath, ['-e', script]);
    });
  }

  it('keeps the process without autoUnref', async () => {
    const script = `
      const { io } = require(${JSON.stringify(join(folder, 'socket.io.node.cjs'))});
      const socket = io(${JSON.stringify(server.url)});
      socket.io.on('ping', () => process.exit(7));
      socket.on('connect', () => socket.io.engine.close());
      let n = 0;
      socket.io.on('reconnect', () => ++n === 2 ? process.exit(8) : socket.io.engine.close());`;
    await assert.rejects(run(process.execPath, ['-e', script]), { code: 8 });
  });

  it('reads packets of MessagePack whole or not at all', async () => {
    const { unpack } = await import('../../client/modern/src/parser/unpack.js');
    const { pack } = await import('../../client/modern/src/parser/pack.js');
    const { Encoder } = require('socket.io-msgpack-parser');
    const date = new Date(1234567890123);
    const values = [null, true, false, 0, 127, 128, 255, 256, 65535, 65536, 2 ** 32, 2 ** 53 - 1, -1, -32, -33, -128, -129, -32769, -(2 ** 31) - 1, -(2 ** 53) + 1, 1.5, 'é😀', 'x'.repeat(300), 'y'.repeat(70_000), [], [1, [2]], Array(20).fill(1), { a: { b: 1 } }, Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`k${n}`, n])), date, Buffer.from([1, 2, 3]), Buffer.alloc(70_000, 7)];
    for (const value of values) {
      const [packet] = new Encoder().encode({ type: 2, nsp: '/', data: ['e', value] });
      assert.deepEqual(unpack(new Uint8Array(packet)).data[1], value, 'as the published parser writes it');
      const ours = pack(value);
      assert.deepEqual(unpack(ours), value);
      for (let end = 0; end < Math.min(ours.length, 50); end++) assert.throws(() => unpack(ours.subarray(0, end)), undefined, `${end} of ${ours.length} bytes`);
      assert.throws(() => unpack(Uint8Array.from([...ours, 0])), /more than one/);
    }
    // The published parser writes these as something else.
    for (const value of [1e300, -0, NaN, Infinity]) assert.deepEqual(unpack(pack(value)), value);
    assert.throws(() => unpack(new Uint8Array(1000).fill(0x91)), /too deep/);
    assert.throws(() => unpack(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)));
    const own = unpack(pack(JSON.parse('{"__proto__":{"polluted":1}}')));
    assert.equal(own.polluted, undefined);
  });

  it('remembers for the next session that WebSocket worked', async () => {
    const first = io(server.url, { forceNew: true });
    await new Promise((resolve) => first.io.engine.on('upgrade', resolve));
    const started = (rememberUpgrade) => {
      const socket = io(server.url, { forceNew: true, rememberUpgrade });
      const { name } = socket.io.engine.transport;
      socket.disconnect();
      return name;
    };
    assert.deepEqual([started(true), started(false)], ['websocket', 'polling']);
    first.disconnect();
  });

  it('keeps all events of a turn in which it finds that the server is silent', async () => {
    const socket = io(server.url, { forceNew: true, reconnectionDelay: 10 });
    await new Promise((resolve) => socket.once('connect', resolve));
    const reason = new Promise((resolve) => socket.once('disconnect', resolve));
    socket.io.engine._pingTimeoutTime = Date.now() - 1;
    const answers = ['a', 'b', 'c'].map((value) => new Promise((resolve) => socket.emit('echo', value, resolve)));
    assert.equal(await reason, 'ping timeout');
    assert.deepEqual(await Promise.all(answers), ['a', 'b', 'c']);
    socket.disconnect();
  });

  it('says that an upgrade fails because the session ends', { timeout: 20_000 }, async () => {
    const { engine } = io(server.url, { forceNew: true, reconnection: false }).io;
    const failed = new Promise((resolve) => engine.on('upgradeError', resolve));
    engine.on('open', () => queueMicrotask(() => engine.transport.close()));
    assert.equal((await failed).message, 'probe error: socket closed');
  });

  it('compresses what is long enough, and not what is sent without', async () => {
    const seen = async (perMessageDeflate, compress, text) => {
      const socket = io(server.url, { forceNew: true, transports: ['websocket'], perMessageDeflate });
      await new Promise((resolve) => socket.once('connect', resolve));
      const { ws } = socket.io.engine.transport;
      const { send } = ws;
      const given = new Promise((resolve) => {
        ws.send = (message, options) => {
          resolve(options.compress);
          send.call(ws, message, options);
        };
      });
      socket.compress(compress).emit('echo', text, () => {});
      return given.finally(() => socket.disconnect());
    };
    const long = 'x'.repeat(2000);
    for (const [deflate, compress, text, expected] of [
      [true, true, long, true],
      [true, true, 'short', false],
      [{ threshold: 1 }, true, 'short', true],
      [true, false, long, false],
      [undefined, true, long, false],
    ]) {
      assert.equal(await seen(deflate, compress, text), expected, JSON.stringify([deflate, compress, text.length]));
    }
  });

  it('takes a host of IPv6 with brackets and without', () => {
    for (const host of ['[::1]', '::1']) {
      const engine = new io.Engine(undefined, { host, port: 8080 });
      assert.deepEqual([engine.hostname, engine.port], ['::1', '8080'], host);
      engine.on('error', () => {}).close();
    }
  });

  it('says how polling failed in the words of its kind', async () => {
    const refused = async (transport) => {
      const socket = io(server.url, { forceNew: true, reconnection: false, transports: [transport], query: { sid: 'unknown' } });
      const error = await new Promise((resolve) => socket.on('connect_error', resolve));
      return [error.message, error.description, error.context.readyState];
    };
    assert.deepEqual(await refused(NodeXHR), ['xhr poll error', 400, 4]);
    assert.deepEqual(await refused(Fetch), ['fetch read error', 400, undefined]);
  });

  it('keeps cookies for as long as the server says', async () => {
    const { Cookies } = await import('../../client/modern/src/node/cookies.js');
    const cookies = new Cookies();
    cookies.take(['a=1; Path=/', 'b=2=3; Max-Age=100', 'c=4; Expires=Thu, 01 Jan 1970 00:00:00 GMT', 'd=5; Max-Age=0; Expires=Fri, 01 Jan 2100 00:00:00 GMT', '=x', 'nothing']);
    assert.equal(cookies.header(), 'a=1; b=2=3');
    cookies.take(['a=; Max-Age=-1', 'b=new']);
    assert.equal(cookies.header(), 'b=new');
  });

  it('closes what it opened, though told to before it was open', async () => {
    const opened = new Promise((resolve) => server.io.engine.once('connection', resolve));
    const socket = io(server.url, { forceNew: true, transports: ['polling'] });
    await new Promise((resolve) => server.io.httpServer.once('request', resolve));
    socket.disconnect();
    const session = await opened;
    const reason = await new Promise((resolve) => (session.readyState === 'closed' ? resolve('closed') : session.once('close', resolve)));
    assert.match(reason, /transport close|closed/);
  });
});

