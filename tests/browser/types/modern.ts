// A program that uses all of the modern client. It is type-checked, never run: types.test.mjs.

import io, { connect, Fetch, io as same, Manager, protocol, Socket, WebSocket, XHR } from '../../../client/modern/index.js';
import type { Options } from '../../../client/modern/index.js';

interface FromServer {
  'user joined': (data: { username: string; numUsers: number }) => void;
  latency: (answer: (now: number) => void) => void;
}

interface ToServer {
  'new message': (text: string, done?: (answer: { ok: boolean }) => void) => void;
  bytes: (data: Uint8Array) => void;
}

const socket: Socket<FromServer, ToServer> = io('https://chat.example/room');
socket
  .on('user joined', ({ username, numUsers }) => console.log(username.length, numUsers.toFixed()))
  .on('latency', (answer) => answer(Date.now()))
  .on('connect', () => console.log(socket.id?.length, socket.connected, socket.disconnected, socket.active, socket.recovered, socket.nsp))
  .on('disconnect', (reason, details) => {
    console.log(reason === 'io server disconnect', details && 'description' in details && details.description);
    // @ts-expect-error no such reason
    if (reason === 'bored') socket.connect();
  })
  .on('connect_error', (error) => console.log(error.message, 'data' in error && error.data, 'context' in error && error.context));
// @ts-expect-error the server does not send it
socket.on('user left', () => {});
// @ts-expect-error the server does not know it
socket.emit('old message', 'text');
// @ts-expect-error not what the server takes
socket.emit('new message', 1);
socket.emit('new message', 'text', ({ ok }) => console.log(ok)).emit('bytes', Uint8Array.of(1));
socket.timeout(500).emit('new message', 'text', (error, { ok }) => console.log(error?.message, ok));
socket.emitWithAck('new message', 'text').then(({ ok }) => console.log(ok));
// @ts-expect-error what is acknowledged is an object
socket.emitWithAck('new message', 'text').then((answer: string) => answer);
socket.volatile.compress(false).emit('bytes', Uint8Array.of(1));
socket.send('a', 1);

const heard = (name: string, ...args: any[]) => console.log(name, args.length);
socket.onAny(heard).prependAny(heard).offAny(heard).offAny().listenersAny().length.toFixed();
socket.onAnyOutgoing(heard).prependAnyOutgoing(heard).offAnyOutgoing(heard).offAnyOutgoing().listenersAnyOutgoing().length.toFixed();
const listener = () => {};
socket.once('connect', listener).off('connect', listener).off('connect').off();
socket.removeListener('connect', listener).removeAllListeners().addEventListener('connect', listener).removeEventListener('connect', listener);
socket.listeners('connect').length.toFixed();
socket.hasListeners('connect').valueOf();
socket.open().disconnect().connect().close();
socket.auth = { token: 't' };
console.log(socket.sendBuffer.length, socket.receiveBuffer.length);
// @ts-expect-error set by the library
socket.connected = true;

const everyOption: Required<Options> = {
  path: '/chat/io',
  query: { room: 'a', version: 2, beta: true },
  auth: (done) => done({ token: 't' }),
  retries: 3,
  ackTimeout: 10_000,
  transports: ['websocket', 'polling', Fetch, XHR, WebSocket],
  upgrade: false,
  rememberUpgrade: true,
  tryAllTransports: true,
  addTrailingSlash: false,
  forceBase64: true,
  extraHeaders: { 'X-Room': 'a' },
  withCredentials: true,
  protocols: ['chat'],
  timestampRequests: true,
  timestampParam: 'at',
  transportOptions: { polling: { extraHeaders: { 'X-Room': 'b' } } },
  closeOnBeforeunload: true,
  useNativeTimers: true,
  autoUnref: true,
  host: 'chat.example',
  hostname: 'chat.example',
  port: 8443,
  secure: true,
  requestTimeout: 1000,
  agent: false,
  ca: '',
  cert: '',
  ciphers: '',
  key: '',
  passphrase: '',
  pfx: '',
  rejectUnauthorized: true,
  localAddress: '127.0.0.1',
  perMessageDeflate: false,
  autoConnect: false,
  forceNew: true,
  'force new connection': true,
  multiplex: false,
  reconnection: true,
  reconnectionAttempts: Infinity,
  reconnectionDelay: 1000,
  reconnectionDelayMax: 5000,
  randomizationFactor: 0.5,
  timeout: 20_000,
  parser: {},
};
connect(everyOption);
same.connect(new URL('https://chat.example:8443/room?a=b'), everyOption);
io.io(undefined, { query: 'a=b' });
// @ts-expect-error misspelt
io({ transport: ['websocket'] });
// @ts-expect-error no such transport
io({ transports: ['flashsocket'] });

const manager: Manager = new io.Manager('https://chat.example', { autoConnect: false });
new Manager(everyOption).timeout(false).reconnection(true).reconnectionAttempts(3).reconnectionDelay(1).reconnectionDelayMax(2).randomizationFactor(0);
const figures: number[] = [manager.reconnectionAttempts(), manager.reconnectionDelay(), manager.reconnectionDelayMax(), manager.randomizationFactor()];
console.log(figures, manager.reconnection().valueOf(), manager.timeout(), manager.uri, manager.opts.path, manager._readyState === 'open', protocol === 5);
manager
  .on('reconnect', (attempts) => attempts.toFixed())
  .on('reconnect_attempt', (attempt) => attempt.toFixed())
  .on('reconnect_error', (error) => error.message)
  .on('reconnect_failed', () => {})
  .on('error', (error) => error.message)
  .on('ping', () => {})
  .on('open', () => {})
  .on('close', (reason) => reason === 'forced close');
manager.open((error) => console.log(error?.message)).connect();
manager.socket<FromServer, ToServer>('/room', { auth: { token: 't' }, retries: 1, ackTimeout: 1 }).emit('new message', 'text');
manager.close();
const { engine } = manager;
engine
  .on('upgrade', (transport) => console.log(transport.name === 'websocket', transport.writable, transport.query.sid))
  .on('upgradeError', (error) => error.transport)
  .on('packet', ({ type, data }) => console.log(type === 'ping', data))
  .on('packetCreate', ({ options }) => console.log(options?.compress))
  .once('drain', () => {})
  .on('close', (reason, details) => console.log(reason === 'ping timeout', details));
engine.binaryType = 'arraybuffer';
console.log(engine.id, engine.readyState === 'open', engine.transport.name, engine.hostname, engine.port, engine.secure, engine.transports, engine.writeBuffer.length);
engine.close();
