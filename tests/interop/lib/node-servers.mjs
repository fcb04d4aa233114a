// Node's servers with each adapter for Redis that there was. All do for their clients what
// `examples/socketio_cluster.rs` does, as far as their version can.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

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
        // Socket.IO 3 tells nothing but the ids.
        fetch: async () => (await (whom.fetchSockets?.() ?? [...(await whom.allSockets())].map((id) => ({ id, rooms: [] })))).map(({ id, rooms, data, handshake }) => ({ id, rooms: [...rooms], data, handshake })),
        'server side': () => of.serverSideEmit(event, ...args),
        'ask servers': () => of.serverSideEmitWithAck(event, ...args),
        count: () => of.adapter.serverCount(),
        data: () => (socket.data = args[0]),
        enter: () => order.rooms.forEach((room) => socket.join(room)),
        id: () => socket.id,
      }[order.act];
      const said = await doing();
      ack(['ask', 'fetch', 'ask servers', 'count', 'id'].includes(order.act) ? said : null);
    });
    socket.on('bytes', (room, bytes) => namespace.to(room).emit('bytes', bytes));
  });
}

/** The adapters of today, and one before: each of two clients of Redis, and the number of streams. */
export const ADAPTERS = {
  redis: (one, other) => require('@socket.io/redis-adapter').createAdapter(one, other),
  'redis-sharded': (one, other) => require('@socket.io/redis-adapter').createShardedAdapter(one, other),
  'redis-streams-0.2': (one) => require('redis-streams-adapter-0.2').createAdapter(one),
  'redis-streams': (one, _, streamCount) => require('@socket.io/redis-streams-adapter').createAdapter(one, { streamCount }),
};

async function listen(io) {
  const http = createServer();
  io.attach(http);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const close = async () => {
    http.closeAllConnections();
    http.close();
    await once(http, 'close');
  };
  return { url: `http://127.0.0.1:${http.address().port}`, close };
}

/** A server of Node's 4.8 with an official adapter, one of ADAPTERS: `{ url, stop, io }`. */
export async function startNode4(redis, { adapter = 'redis', recovery = false, streamCount = 1 } = {}) {
  const { Server } = require('socket.io');
  const { createClient } = require('redis');
  const clients = [createClient({ url: redis.url }), createClient({ url: redis.url })];
  await Promise.all(clients.map((client) => client.connect()));
  const io = new Server({ allowEIO3: true, adapter: ADAPTERS[adapter](...clients, streamCount), ...(recovery && { connectionStateRecovery: {} }) });
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
  const { url } = await listen(io);
  const stop = async () => {
    await io.close();
    await Promise.all(clients.map((client) => client.quit()));
  };
  return { url, stop, io };
}

/** Clients of the Redis that an adapter brings with it, to publish and to listen; the adapter does not end them. */
function ownRedis({ port }, adapter, options = {}) {
  const { createClient } = createRequire(require.resolve(adapter))('redis');
  const clients = [];
  const keep = (client) => {
    clients.push(client.on('error', () => {}));
    // One version makes another of it.
    const { duplicate } = client;
    if (duplicate) client.duplicate = (...args) => keep(duplicate.apply(client, args));
    return client;
  };
  keep(createClient(port, '127.0.0.1'));
  keep(createClient(port, '127.0.0.1', options));
  return clients;
}

/**
 * A server of Node's 3 or 4 with socket.io-redis 6: `{ url, stop, io }`.
 * `version` is that of Socket.IO: the end of the package's name.
 */
export async function startNodeWith6(redis, version = '') {
  const { Server } = require(`socket.io${version}`);
  const clients = ownRedis(redis, 'socket.io-redis-6');
  const adapter = require('socket.io-redis-6').createAdapter({ pubClient: clients[0], subClient: clients[1] });
  const io = new Server({ allowEIO3: true, adapter });
  for (const name of ['/', '/chat']) serve(io, io.of(name));
  const { url, close } = await listen(io);
  const stop = async () => {
    io.close();
    await close();
    for (const client of clients) client.end(true);
  };
  return { url, stop, io };
}

/**
 * A server of Node's 1 or 2 with a socket.io-redis before 6: `{ url, stop, io }`. `server` and `adapter` are the
 * names of packages.
 */
export async function startOldNode(redis, server, adapter) {
  const io = require(server)({ serveClient: false });
  const buffers = { 'socket.io-redis-0.1': { detect_buffers: true }, 'socket.io-redis-5': {} }[adapter] ?? { return_buffers: true };
  const clients = ownRedis(redis, adapter, buffers);
  io.adapter(require(adapter)({ pubClient: clients[0], subClient: clients[1] }));
  // It may tell Redis of rooms that are left when the end has come.
  io.of('/').adapter.on('error', () => {});
  io.of('/').on('connection', (socket) => {
    socket.on('do', async (order, args, ack) => {
      const whom = (order.to ?? []).reduce((all, room) => all.to(room), io.of('/'));
      const event = order.event ?? 'event';
      const doing = {
        emit: () => whom.emit(event, ...args),
        broadcast: () => socket.broadcast.emit(event, ...args),
        enter: () => Promise.all(order.rooms.map((room) => new Promise((joined) => socket.join(room, joined)))),
        id: () => socket.id,
        fetch: () => new Promise((found, failed) => io.of('/').adapter.clients(order.to ?? [], (error, ids) => (error ? failed(error) : found(ids.map((id) => ({ id })))))),
      }[order.act];
      const said = await doing();
      ack(['id', 'fetch'].includes(order.act) ? said : null);
    });
    socket.on('bytes', (room, bytes) => io.to(room).emit('bytes', bytes));
  });
  const { url, close } = await listen(io);
  const stop = async () => {
    await close();
    for (const client of clients) client.end(true);
  };
  return { url, stop, io };
}
