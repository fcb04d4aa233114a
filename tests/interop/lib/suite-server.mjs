// The events of examples/socketio_suite.rs on Node's server, which recovers sessions besides.

import { Server } from 'socket.io';

/** Listens on a port of its own. `options` are those of the server. */
export async function startNodeServer(options = {}) {
  const io = new Server(0, { connectionStateRecovery: {}, cors: { origin: true, credentials: true }, ...options });
  io.use((socket, next) => next(socket.handshake.query.fail ? new Error('Auth failed (main namespace)') : undefined));
  io.of('/abc').on('connection', (socket) => socket.emit('handshake', handshake(socket)));
  io.of('/refused').use((socket, next) => next(Object.assign(new Error('not you'), { data: { code: 7 } })));
  for (const name of ['/', '/foo']) io.of(name).on('connection', listen);
  await new Promise((resolve) => (io.httpServer.listening ? resolve() : io.httpServer.once('listening', resolve)));
  return { url: `http://127.0.0.1:${io.httpServer.address().port}`, io, stderr: '', stop: () => io.close() };
}

function handshake(socket) {
  const { query, auth, headers, url } = socket.handshake;
  return { query, auth, headers, url };
}

function listen(socket) {
  socket.on('echo', (...args) => args.pop()(...args));
  socket.on('getId', (answer) => answer(socket.id));
  socket.on('getHandshake', (answer) => answer(handshake(socket)));
  socket.on('hi', () => socket.emit('hi'));
  socket.on('back', (...args) => socket.emit('back', ...args));
  socket.on('kick', () => socket.disconnect());
  socket.on('ack', () => socket.emit('ack', (five, { test }) => five === 5 && test && socket.emit('got it')));
}
