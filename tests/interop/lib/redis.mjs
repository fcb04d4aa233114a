// A real Redis, and Node's servers that meet at it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const require = createRequire(import.meta.url);

/** A port that nobody has at this moment. */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a Redis that keeps nothing: `{ url, port, stop }`. */
export async function startRedis() {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'parlance-redis-'));
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const kill = () => child.kill('SIGKILL');
  process.on('exit', kill);
  await new Promise((resolve, reject) => {
    child.once('error', () => reject(new Error('no redis-server: make setup installs it')));
    child.stdout.setEncoding('utf8').on('data', (text) => text.includes('Ready to accept') && resolve());
  });
  const stop = async () => {
    process.off('exit', kill);
    kill();
    await once(child, 'exit');
    rmSync(folder, { recursive: true, force: true });
  };
  return { url: `redis://127.0.0.1:${port}`, port, stop };
}

/** Does what `examples/socketio_cluster.rs` does, on a server of Node's. */
function serve(io, namespace) {
  namespace.on('connection', (socket) => {
    socket.on('do', async (order, args, ack) => {
      const of = io.of(order.of ?? '/');
      let whom = of;
      for (const room of order.to ?? []) whom = whom.to(room);
      if (order.except?.length) whom = whom.except(order.except);
      const event = order.event ?? 'event';
      const doing = {
        emit: () => whom.emit(event, ...args),
        broadcast: () => socket.broadcast.emit(event, ...args),
        ask: async () => {
          try {
            return { answers: await whom.timeout(order.timeout ?? 2000).emitWithAck(event, ...args), missing: 0 };
          } catch (error) {
            return { answers: error.responses, missing: 'some' };
          }
        },
        join: () => whom.socketsJoin(order.rooms),
        leave: () => whom.socketsLeave(order.rooms),
        disconnect: () => whom.disconnectSockets(false),
        fetch: async () => (await whom.fetchSockets()).map(({ id, rooms, data, handshake }) => ({ id, rooms: [...rooms], data, handshake })),
        'server side': () => of.serverSideEmit(event, ...args),
        'ask servers': () => of.serverSideEmitWithAck(event, ...args),
        count: () => of.adapter.serverCount(),
        data: () => (socket.data = args[0]),
      }[order.act];
      const said = await doing();
      ack(['ask', 'fetch', 'ask servers', 'count'].includes(order.act) ? said : null);
    });
    socket.on('bytes', (room, bytes) => namespace.to(room).emit('bytes', bytes));
  });
}

const ADAPTERS = {
  redis: (one, other) => require('@socket.io/redis-adapter').createAdapter(one, other),
  'redis-sharded': (one, other) => require('@socket.io/redis-adapter').createShardedAdapter(one, other),
  'redis-streams': (one) => require('@socket.io/redis-streams-adapter').createAdapter(one),
};

/** A server of Node's 4.8 with an official adapter, one of ADAPTERS: `{ url, stop, io }`. */
export async function startNode4(redis, { adapter = 'redis', recovery = false } = {}) {
  const { Server } = require('socket.io');
  const { createClient } = require('redis');
  const clients = [createClient({ url: redis.url }), createClient({ url: redis.url })];
  await Promise.all(clients.map((client) => client.connect()));
  const io = new Server({ allowEIO3: true, adapter: ADAPTERS[adapter](...clients), ...(recovery && { connectionStateRecovery: {} }) });
  for (const name of ['/', '/chat']) {
    const namespace = io.of(name);
    serve(io, namespace);
    for (const event of ['event', 'asked']) {
      namespace.on(event, (...args) => {
        const ack = typeof args.at(-1) === 'function' ? args.pop() : () => {};
        namespace.local.emit('server side', event, args);
        ack(['node', event, args]);
      });
    }
  }
  const http = require('node:http').createServer();
  io.attach(http);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const stop = async () => {
    await io.close();
    await Promise.all(clients.map((client) => client.quit()));
  };
  return { url: `http://127.0.0.1:${http.address().port}`, stop, io };
}

/** A server of Node's 2.5 with socket.io-redis 5.4. */
export async function startNode2(redis) {
  const io = require('socket.io-2')({ serveClient: false });
  io.adapter(require('socket.io-redis-5')({ host: '127.0.0.1', port: redis.port }));
  io.on('connection', (socket) => {
    socket.on('join', (room, ack) => socket.join(room, () => ack()));
    socket.on('say', (rooms, text, ack) => {
      rooms.reduce((whom, room) => whom.to(room), io.of('/')).emit('event', text);
      ack();
    });
    socket.on('bytes', (room, bytes) => io.to(room).emit('bytes', bytes));
  });
  const http = require('node:http').createServer();
  io.attach(http);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const stop = () => new Promise((resolve) => {
    const { pubClient, subClient } = io.of('/').adapter;
    io.close(resolve);
    for (const client of [pubClient, subClient]) client.quit();
  });
  return { url: `http://127.0.0.1:${http.address().port}`, stop, io };
}
