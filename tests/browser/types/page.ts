// A page's script that uses all of the library. It is type-checked, never run: types.test.mjs.

const socket = io();
socket
  .on('connect', () => console.log(socket.id?.length, socket.connected, socket.disconnected, socket.active, socket.nsp))
  .on('disconnect', (reason, details) => {
    const ended: boolean = reason === 'io server disconnect';
    console.log(ended, details?.code === 'ping', details?.description.length);
    // @ts-expect-error no such reason
    if (reason === 'bored') socket.connect();
  })
  .on('connect_error', (error) => {
    console.log(error.message, error.code === 'forbidden', error.status?.toFixed(), error.allowed?.includes('websocket'), error.data);
    // @ts-expect-error no such code
    if (error.code === 'bored') socket.close();
  })
  .on('reconnect', (attempts) => attempts.toFixed())
  .on('reconnect_attempt', (attempt) => attempt.toFixed())
  .on('reconnecting', (attempt) => attempt.toFixed())
  .on('reconnect_error', (error) => error.code)
  .on('reconnect_failed', () => {})
  .once('new message', (message: { text: string }, answer: (ok: boolean) => void) => answer(message.text !== ''))
  .emit('new message', 'text', { id: 1 }, (answer: { ok: boolean }) => answer.ok)
  .send('a', new ArrayBuffer(1));
socket.timeout(1000).emit('latency', (error: Error | null, answer?: string) => console.log(error, answer));
const listener = () => {};
socket.off('connect', listener).off('connect').off().removeListener('x', listener).removeAllListeners();
socket.listeners('connect').length.toFixed();
socket.open().disconnect().connect().close();
socket.auth = { token: 't' };
// @ts-expect-error set by the library
socket.connected = true;
// @ts-expect-error a listener of 'connect' gets nothing
socket.on('connect', (what: string) => what);

const everyOption: Required<io.Options> = {
  path: '/chat/io',
  query: { room: 'a', version: 2, beta: true },
  auth: (done) => done({ token: 't' }),
  transports: ['websocket', 'polling', 'jsonp-polling'],
  upgrade: false,
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
  withCredentials: true,
};
io(everyOption);
io.connect('https://chat.example:8443/room?a=b', everyOption);
io(undefined, { query: 'a=b' });
// @ts-expect-error misspelt
io({ transport: ['websocket'] });
// @ts-expect-error no such transport
io({ transports: ['flashsocket'] });

const protocol: 5 = io.protocol;
const best: io.Transport | undefined = io.policy.find((name) => io.can(name));
console.log(protocol, best);

const manager = socket.io;
manager
  .on('open', () => manager.readyState === 'open')
  .on('close', (reason, error) => console.log(reason, error.code))
  .on('waiting', (at) => at === manager.nextAt)
  .on('timeline', (entry) => entry.outcome === 'failed' && entry.code === 'cut')
  .on('connect_error', (error) => error.code)
  .open()
  .connect();
for (const { at, transport, step, ms, outcome, code, reason } of manager.timeline()) console.log(at + ms, transport, step, outcome, code, reason);
console.log(manager.born, manager.opts.timeout, manager.policy.join(), manager.record('eventsource').until > Date.now());
// @ts-expect-error no such event
manager.on('bored', () => {});
manager.close();

const engine = manager.engine;
if (engine) {
  engine.on('upgrade', (transport) => transport.form === 'websocket');
  engine.on('upgradeError', (error) => error.code === 'silent');
  engine.on('close', (code, error) => code === error.code);
  console.log(engine.id, engine.readyState, engine.probing, engine.transport.name === 'polling', engine.transport.form === 'jsonp-polling');
}
