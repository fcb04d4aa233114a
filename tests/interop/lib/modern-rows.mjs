// What the modern client promises, a row for each line of the table in docs/client.md. Each `run` is self-contained, because
// browser tests put its source into a page. It gets `io`, the server's `url`, and `t`: equal(actual, expected),
// heard(emitter, event) for the arguments of the next one, and once per row `open(url, options)`, a socket that is closed at its end.
//
// `on` says where a row runs, if not everywhere: `node` or `page`; `server` names the one server that shows it, and `not` the traits of
// builds that do not have it.

export const ROWS = [
  {
    name: 'io, io.connect and io.io are one; io.protocol, io.Manager, io.Socket',
    async run({ io, url, t }) {
      t.equal([io.connect === io, io.io === io, io.protocol], [true, true, 5]);
      const socket = t.open(url);
      t.equal([socket instanceof io.Socket, socket.io instanceof io.Manager], [true, true]);
      await t.heard(socket, 'connect');
    },
  },
  {
    name: 'namespaces share a connection; forceNew and multiplex: false do not',
    async run({ url, t, io }) {
      const [first, second] = [io(url), io(`${url}/foo`)];
      const others = [io(`${url}/foo`, { forceNew: true }), io(`${url}/foo`, { multiplex: false }), io(`${url}/foo`, { 'force new connection': true }), io(url)];
      await Promise.all([first, second, ...others].map((socket) => t.heard(socket, 'connect')));
      t.equal(first.io === second.io, true);
      t.equal(new Set([first, ...others].map((socket) => socket.io)).size, 5);
      for (const socket of [first, second, ...others]) socket.disconnect();
      t.equal([first.disconnected, second.active], [true, false]);
    },
  },
  {
    name: 'id is the server\'s, per namespace, while connected; connected, disconnected, active',
    async run({ url, t }) {
      const socket = t.open(`${url}/foo`);
      t.equal([socket.id, socket.connected, socket.disconnected, socket.active, socket.nsp], [undefined, false, true, true, '/foo']);
      const id = await socket.emitWithAck('getId');
      t.equal([socket.id, socket.connected, socket.disconnected], [id, true, false]);
      socket.disconnect();
      t.equal([socket.id, socket.connected, socket.active], [undefined, false, false]);
    },
  },
  {
    name: 'emit, send and acknowledgements, values and bytes',
    async run({ url, t }) {
      const socket = t.open(url);
      const bytes = Uint8Array.of(1, 2, 255);
      const args = ['text é 😀', 1, -1.5, true, null, [], {}, { nested: [bytes, { more: bytes.buffer }] }, bytes];
      const answer = new Promise((resolve) => socket.emit('echo', ...args, (...got) => resolve(got)));
      t.equal(t.plain(await answer), t.plain(args));
      const back = t.heard(socket, 'back');
      socket.emit('back', ...args);
      t.equal(t.plain((await back).slice(0, args.length)), t.plain(args));
      const sent = [];
      socket.onAnyOutgoing((...event) => sent.push(event)).send('a', 1);
      t.equal(sent, [['message', 'a', 1]]);
    },
  },
  {
    name: 'events of the server are acknowledged',
    async run({ url, t }) {
      const socket = t.open(url);
      socket.on('ack', (answer) => answer(5, { test: true }));
      const heard = t.heard(socket, 'got it');
      socket.emit('ack');
      await heard;
    },
  },
  {
    name: 'emitWithAck: answered, timed out, disconnected',
    async run({ url, t }) {
      const socket = t.open(url);
      t.equal(await socket.emitWithAck('echo', 'x'), 'x');
      const late = await socket.timeout(20).emitWithAck('nobody answers').catch((error) => error);
      t.equal(late.message, 'operation has timed out');
      const cut = socket.emitWithAck('nobody answers').catch((error) => error);
      socket.disconnect();
      t.equal((await cut).message, 'socket has been disconnected');
    },
  },
  {
    name: 'timeout and ackTimeout: an error first',
    async run({ url, t }) {
      const socket = t.open(url, { ackTimeout: 5000 });
      t.equal(await new Promise((resolve) => socket.emit('echo', 1, (...args) => resolve(args))), [null, 1]);
      const error = await new Promise((resolve) => socket.timeout(20).emit('nobody answers', resolve));
      t.equal(error instanceof Error, true);
      const short = t.open(`${url}/foo`, { ackTimeout: 20 });
      t.equal((await new Promise((resolve) => short.emit('nobody answers', resolve))) instanceof Error, true);
    },
  },
  {
    name: 'retries: one after the other, again without an answer, then an error',
    async run({ url, t }) {
      const socket = t.open(url, { retries: 2, ackTimeout: 2000, autoConnect: false });
      const order = [];
      const sent = [];
      socket.onAnyOutgoing((...event) => sent.push(event));
      socket.emit('echo', 1, (error, value) => order.push([error, value]));
      const second = new Promise((resolve) => socket.timeout(50).emit('nobody answers', resolve));
      const third = new Promise((resolve) => socket.emit('echo', 3, (error, value) => resolve([error, value])));
      socket.connect();
      t.equal((await second) instanceof Error, true);
      t.equal(await third, [null, 3]);
      t.equal(order, [[null, 1]]);
      t.equal(sent.map(([name]) => name), ['echo', 'nobody answers', 'nobody answers', 'nobody answers', 'echo']);
    },
  },
  {
    name: 'retries: sent again on the next connection, where the last one was lost',
    async run({ url, t }) {
      const socket = t.open(url, { retries: 2, reconnectionDelay: 10 });
      await t.heard(socket, 'connect');
      const answer = new Promise((resolve) => socket.emit('echo', 'again', (error, value) => resolve([error, value])));
      socket.io.engine.close();
      t.equal(await answer, [null, 'again']);
    },
  },
  {
    name: 'volatile: dropped unless it can be sent at once',
    async run({ url, t }) {
      const socket = t.open(url, { transports: ['websocket'] });
      const answers = [];
      socket.volatile.emit('echo', 'before', (value) => answers.push(value));
      await t.heard(socket, 'connect');
      await socket.emitWithAck('echo', 'first');
      const sent = new Promise((resolve) => socket.volatile.emit('echo', 'at once', resolve));
      socket.volatile.emit('echo', 'too soon', (value) => answers.push(value));
      t.equal(await sent, 'at once');
      await socket.emitWithAck('echo', 'last');
      t.equal(answers, []);
    },
  },
  {
    name: 'compress: a hint on the packet',
    async run({ url, t }) {
      const socket = t.open(url);
      await t.heard(socket, 'connect');
      const hints = [];
      socket.io.engine.on('packetCreate', ({ type, options }) => type === 'message' && hints.push(options.compress));
      socket.emit('hi').compress(false).emit('hi').compress(true).emit('hi');
      t.equal(hints, [true, false, true]);
    },
  },
  {
    name: 'onAny, prependAny, offAny, listenersAny',
    async run({ url, t }) {
      const socket = t.open(url);
      const order = [];
      const second = (name) => order.push(`second ${name}`);
      const gone = () => order.push('gone');
      socket.onAny(second).prependAny((name) => order.push(`first ${name}`)).onAny(gone).offAny(gone);
      socket.on('hi', () => order.push('listener'));
      const heard = t.heard(socket, 'hi');
      socket.emit('hi');
      await heard;
      t.equal(order, ['first hi', 'second hi', 'listener']);
      t.equal([socket.listenersAny().length, socket.offAny().listenersAny().length], [2, 0]);
    },
  },
  {
    name: 'onAnyOutgoing, prependAnyOutgoing, offAnyOutgoing, listenersAnyOutgoing',
    async run({ url, t }) {
      const socket = t.open(url);
      const order = [];
      const gone = () => order.push('gone');
      socket.onAnyOutgoing((name, arg) => order.push([2, name, arg])).prependAnyOutgoing((name) => order.push([1, name]));
      socket.onAnyOutgoing(gone).offAnyOutgoing(gone);
      socket.emit('hi', 'x');
      t.equal(order, []); // not sent yet
      await socket.emitWithAck('getId');
      t.equal(order.slice(0, 2), [[1, 'hi'], [2, 'hi', 'x']]);
      t.equal([socket.listenersAnyOutgoing().length, socket.offAnyOutgoing().listenersAnyOutgoing().length], [2, 0]);
    },
  },
  {
    name: 'on, once, off, listeners, hasListeners and their other names',
    async run({ url, t }) {
      const socket = t.open(url, { autoConnect: false });
      const heard = [];
      const listener = () => heard.push('on');
      socket.on('hi', listener).once('hi', () => heard.push('once')).addEventListener('hi', listener);
      t.equal([socket.listeners('hi').length, socket.hasListeners('hi')], [3, true]);
      socket.removeListener('hi', listener);
      socket.connect().emit('hi').emit('hi');
      await socket.emitWithAck('getId');
      t.equal(heard, ['once', 'on', 'on']);
      t.equal([socket.off('hi').hasListeners('hi'), socket.removeAllListeners().hasListeners('connect')], [false, false]);
    },
  },
  {
    name: 'a listener that throws keeps nobody else from hearing',
    on: 'node',
    async run({ url, t }) {
      const socket = t.open(url);
      const { process } = globalThis;
      const reported = new Promise((resolve) => process.setUncaughtExceptionCaptureCallback(resolve));
      socket.on('hi', () => {
        throw new Error('of a listener');
      });
      const heard = t.heard(socket, 'hi');
      socket.emit('hi');
      await heard;
      t.equal((await reported).message, 'of a listener');
      process.setUncaughtExceptionCaptureCallback(null);
      t.equal(await socket.emitWithAck('echo', 1), 1);
    },
  },
  {
    name: 'reserved names are refused',
    async run({ url, t }) {
      const socket = t.open(url);
      for (const name of ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener']) {
        let message;
        try {
          socket.emit(name);
        } catch (error) {
          message = error.message;
        }
        t.equal(message, `"${name}" is a reserved event name`);
      }
    },
  },
  {
    name: 'auth: an object, a function, a value that changes',
    async run({ url, t }) {
      const socket = t.open(`${url}/abc`, { auth: { token: 'a b&é' } });
      t.equal((await t.heard(socket, 'handshake'))[0].auth, { token: 'a b&é' });
      socket.disconnect();
      socket.auth = { token: 'new' };
      const again = t.heard(socket, 'handshake');
      socket.connect();
      t.equal((await again)[0].auth.token, 'new');
      const late = t.open(`${url}/abc`, { auth: (done) => setTimeout(() => done({ late: true }), 20) });
      t.equal((await t.heard(late, 'handshake'))[0].auth, { late: true });
    },
  },
  {
    name: 'query: of the address, an object, odd characters',
    async run({ url, t }) {
      const asked = async (address, query) => (await t.heard(t.open(address, query && { query }), 'handshake'))[0].query;
      const named = (query, ...names) => names.map((name) => query[name]);
      t.equal(named(await asked(`${url}/abc?b=c&d=e%20f`), 'b', 'd'), ['c', 'e f']);
      t.equal(named(await asked(`${url}/abc`, { '&a': '&=?a', n: 1 }), '&a', 'n'), ['&=?a', '1']);
    },
  },
  {
    name: 'connect_error: refused, with data; not tried again; the others go on',
    async run({ url, t }) {
      const socket = t.open(`${url}/refused`);
      const [error] = await t.heard(socket, 'connect_error');
      t.equal([error instanceof Error, error.message, error.data], [true, 'not you', { code: 7 }]);
      t.equal([socket.active, socket.connected], [false, false]);
      const nowhere = t.open(`${url}/nowhere`);
      t.equal((await t.heard(nowhere, 'connect_error'))[0].message, 'Invalid namespace');
    },
  },
  {
    name: 'connect_error: unreachable, tried again; details of the failure',
    async run({ t, nowhere }) {
      const socket = t.open(nowhere, { reconnectionDelay: 10, reconnectionAttempts: 2, transports: ['polling'] });
      const events = [];
      for (const name of ['error', 'reconnect_attempt', 'reconnect_error', 'reconnect_failed']) socket.io.on(name, (arg) => events.push(typeof arg === 'number' ? `${name} ${arg}` : name));
      const [error] = await t.heard(socket, 'connect_error');
      t.equal([error.type, /^(xhr poll|fetch read) error$/.test(error.message), 'description' in error, 'context' in error], ['TransportError', true, true, true]);
      t.equal(socket.active, true);
      await t.heard(socket.io, 'reconnect_failed');
      t.equal(events, ['error', 'reconnect_attempt 1', 'error', 'reconnect_error', 'reconnect_attempt 2', 'error', 'reconnect_error', 'reconnect_failed']);
    },
  },
  {
    name: 'reconnection(false) ends the attempts, and connect() begins anew',
    async run({ t, nowhere }) {
      const socket = t.open(nowhere, { reconnectionDelay: 600_000 });
      await t.heard(socket, 'connect_error');
      socket.io.reconnection(false);
      const again = t.heard(socket, 'connect_error');
      socket.connect();
      await again;
    },
  },
  {
    name: 'timeout of the connection',
    async run({ silent, t }) {
      const socket = t.open(silent, { timeout: 50, reconnection: false });
      t.equal((await t.heard(socket, 'connect_error'))[0].message, 'timeout');
    },
  },
  {
    name: 'disconnect: by the client, by the server, by a lost connection; reconnection after the last alone',
    async run({ url, t }) {
      const socket = t.open(url, { reconnectionDelay: 10 });
      await t.heard(socket, 'connect');
      let reason = t.heard(socket, 'disconnect');
      socket.disconnect();
      t.equal((await reason)[0], 'io client disconnect');
      t.equal(socket.active, false);

      socket.connect();
      await t.heard(socket, 'connect');
      reason = t.heard(socket, 'disconnect');
      socket.emit('kick');
      t.equal((await reason)[0], 'io server disconnect');
      t.equal(socket.active, false);

      socket.connect();
      await t.heard(socket, 'connect');
      const events = [];
      for (const name of ['reconnect_attempt', 'reconnect', 'open']) socket.io.on(name, (arg) => events.push([name, arg]));
      socket.io.on('close', (why) => events.push(['close', why]));
      reason = t.heard(socket, 'disconnect');
      const again = t.heard(socket, 'connect');
      socket.io.engine.close();
      t.equal((await reason)[0], 'forced close');
      t.equal(socket.active, true);
      await again;
      t.equal(events, [['close', 'forced close'], ['reconnect_attempt', 1], ['open', undefined], ['reconnect', 1]]);
    },
  },
  {
    name: 'disconnect: details of a connection that broke',
    async run({ t, breaking }) {
      const socket = t.open(breaking.url, { transports: ['websocket'], reconnection: false });
      await t.heard(socket, 'connect');
      const heard = t.heard(socket, 'disconnect');
      await breaking.strike();
      const [reason, details] = await heard;
      t.equal([reason, details.description], ['transport close', 'websocket connection closed']);
    },
  },
  {
    name: 'sendBuffer: what is emitted while there is no connection goes out in order, before connect',
    async run({ url, t }) {
      const socket = t.open(url, { autoConnect: false });
      const order = [];
      socket.emit('echo', 1, (value) => order.push(value));
      socket.emit('echo', 2, (value) => order.push(value));
      t.equal([socket.sendBuffer.length, socket.receiveBuffer.length], [2, 0]);
      socket.on('connect', () => socket.emit('echo', 3, (value) => order.push(value)));
      socket.connect();
      await t.heard(socket, 'connect');
      await socket.emitWithAck('echo', 4);
      t.equal([order, socket.sendBuffer.length], [[1, 2, 3], 0]);
    },
  },
  {
    name: 'upgrade to WebSocket, events of the engine; nothing lost on the way',
    async run({ url, t }) {
      const socket = t.open(url);
      const { engine } = socket.io;
      const events = [];
      for (const name of ['open', 'handshake', 'upgrading', 'upgrade', 'close']) engine.on(name, () => events.push(name));
      const types = new Set();
      engine.on('packet', ({ type }) => types.add(`in ${type}`)).on('packetCreate', ({ type }) => types.add(`out ${type}`));
      const answers = [];
      for (let n = 0; n < 50; n++) socket.emit('echo', n, (value) => answers.push(value));
      t.equal(engine.transport.name, 'polling');
      await t.heard(engine, 'upgrade');
      const drained = t.heard(engine, 'drain');
      for (let n = 50; n < 100; n++) socket.emit('echo', n, (value) => answers.push(value));
      await drained;
      await socket.emitWithAck('echo', 'last');
      t.equal(engine.transport.name, 'websocket');
      t.equal(answers, Array.from({ length: 100 }, (_, n) => n));
      const closed = t.heard(engine, 'close');
      socket.disconnect();
      t.equal((await closed)[0], 'forced close');
      t.equal(events, ['handshake', 'open', 'upgrading', 'upgrade', 'close']);
      t.equal(['in open', 'in message', 'out message'].every((type) => types.has(type)), true);
      t.equal([engine.readyState, engine.id, engine.transports], ['closed', undefined, ['polling', 'websocket']]);
    },
  },
  {
    name: 'transports, upgrade: false, rememberUpgrade',
    async run({ url, t }) {
      for (const [options, expected] of [
        [{ transports: ['websocket'] }, 'websocket'],
        [{ transports: ['polling'] }, 'polling'],
        [{ upgrade: false }, 'polling'],
        [{ transports: ['websocket', 'polling'], rememberUpgrade: true }, 'websocket'],
        [{ rememberUpgrade: true }, 'websocket'],
      ]) {
        const socket = t.open(url, options);
        await t.heard(socket, 'connect');
        t.equal(socket.io.engine.transport.name, expected);
        t.equal(await socket.emitWithAck('echo', expected), expected);
        socket.disconnect();
      }
    },
  },
  {
    name: 'tryAllTransports: the next if the first fails',
    async run({ t, pollingOnly }) {
      const socket = t.open(pollingOnly, { transports: ['websocket', 'polling'], tryAllTransports: true });
      await t.heard(socket, 'connect');
      t.equal(socket.io.engine.transport.name, 'polling');
    },
  },
  {
    name: 'an upgrade that fails leaves polling as it was',
    async run({ t, pollingOnly }) {
      const socket = t.open(pollingOnly);
      const [error] = await t.heard(socket.io.engine, 'upgradeError');
      t.equal(error.transport, 'websocket');
      t.equal(await socket.emitWithAck('echo', 'on'), 'on');
      t.equal(socket.io.engine.transport.name, 'polling');
    },
  },
  {
    name: 'forceBase64 on both transports',
    async run({ url, t }) {
      for (const transport of ['polling', 'websocket']) {
        const socket = t.open(url, { forceBase64: true, transports: [transport] });
        const bytes = Uint8Array.of(0, 254, 255);
        t.equal(t.plain(await socket.emitWithAck('echo', { bytes })), t.plain({ bytes }));
      }
    },
  },
  {
    name: 'path, addTrailingSlash, timestampRequests, timestampParam',
    server: 'node',
    async run({ t, elsewhere }) {
      const asked = async (options) => (await t.open(elsewhere, { path: '/x/io', transports: ['polling'], ...options }).emitWithAck('getHandshake')).url;
      t.equal(/^\/x\/io\/\?EIO=4&transport=polling&t=[^&]+$/.test(await asked({})), true);
      t.equal(/^\/x\/io\?EIO=4&transport=polling&at=[^&]+$/.test(await asked({ addTrailingSlash: false, timestampParam: 'at' })), true);
      t.equal(await asked({ timestampRequests: false }), '/x/io/?EIO=4&transport=polling');
    },
  },
  {
    name: 'extraHeaders, and of one transport by transportOptions',
    server: 'node',
    async run({ url, t }) {
      const asked = async (options) => (await t.open(url, { transports: ['polling'], ...options }).emitWithAck('getHandshake')).headers;
      t.equal((await asked({ extraHeaders: { 'X-Room': 'a' } }))['x-room'], 'a');
      const headers = await asked({ extraHeaders: { 'X-Room': 'a', 'X-Kept': 'no' }, transportOptions: { polling: { extraHeaders: { 'X-Room': 'b' } } } });
      t.equal([headers['x-room'], headers['x-kept']], ['b', undefined]);
    },
  },
  {
    name: 'extraHeaders on WebSocket',
    on: 'node',
    not: ['portable'],
    server: 'node',
    async run({ url, t }) {
      const { headers } = await t.open(url, { transports: ['websocket'], extraHeaders: { 'X-Room': 'a' } }).emitWithAck('getHandshake');
      t.equal(headers['x-room'], 'a');
    },
  },
  {
    name: 'protocols: offered for WebSocket',
    server: 'node',
    async run({ url, t }) {
      const { headers } = await t.open(url, { transports: ['websocket'], protocols: ['chat', 'other'] }).emitWithAck('getHandshake');
      t.equal(headers['sec-websocket-protocol'].replace(/\s/g, ''), 'chat,other');
    },
  },
  {
    name: 'withCredentials: cookies of the server come back',
    not: ['portable'],
    server: 'node',
    async run({ t, sticky }) {
      const socket = t.open(sticky.url, { transports: ['polling'], withCredentials: true });
      await socket.emitWithAck('echo', 1);
      const cookies = await sticky.cookies();
      t.equal([cookies[0], cookies.slice(1).every((cookie) => cookie === 'node=a')], [undefined, true]);
    },
  },
  {
    name: 'recovered: the session goes on, and what was missed comes',
    async run({ url, t }) {
      // The server keeps the session when it has seen that the connection is gone.
      const socket = t.open(url, { reconnectionDelay: 300 });
      await t.heard(socket, 'connect');
      t.equal(socket.recovered, false);
      const hi = t.heard(socket, 'hi');
      socket.emit('hi');
      await hi;
      const { id } = socket;
      const again = t.heard(socket, 'connect');
      socket.io.engine.close();
      await again;
      t.equal([socket.recovered, socket.id], [true, id]);
    },
  },
  {
    name: 'Manager: its options as methods, open with a callback, socket, close',
    async run({ io, url, t, nowhere }) {
      const manager = new io.Manager(url, { autoConnect: false });
      const names = ['reconnection', 'reconnectionAttempts', 'reconnectionDelay', 'reconnectionDelayMax', 'randomizationFactor', 'timeout'];
      t.equal(names.map((name) => manager[name]()), [true, Infinity, 1000, 5000, 0.5, 20000]);
      const values = [true, 3, 10, 20, 0, 500];
      names.forEach((name, n) => t.equal(manager[name](values[n]) === manager, true));
      t.equal(names.map((name) => manager[name]()), values);
      t.equal(await new Promise((resolve) => manager.open(resolve)), undefined);
      const socket = manager.socket('/foo', { auth: { a: 1 } });
      t.equal(manager.socket('/foo') === socket, true);
      socket.connect();
      await t.heard(socket, 'connect');
      const closed = t.heard(manager, 'close');
      manager.close();
      t.equal((await closed)[0], 'forced close');
      const failing = new io.Manager(nowhere, { autoConnect: false });
      t.equal((await new Promise((resolve) => failing.open(resolve))) instanceof Error, true);
    },
  },
  {
    name: 'Manager: ping for each heartbeat; ping timeout when there is none',
    server: 'node',
    async run({ t, hasty }) {
      const socket = t.open(hasty.url, { reconnection: false });
      await t.heard(socket.io, 'ping');
      const heard = t.heard(socket, 'disconnect');
      await hasty.freeze();
      t.equal((await heard)[0], 'ping timeout');
    },
  },
  {
    name: 'parse error: the server sends what is no packet',
    async run({ url, t }) {
      const socket = t.open(url, { reconnectionDelay: 10 });
      await t.heard(socket, 'connect');
      const heard = t.heard(socket, 'disconnect');
      socket.io.engine.emit('data', '9');
      t.equal((await heard)[0], 'parse error');
      await t.heard(socket, 'connect');
    },
  },
  {
    name: 'many events at once: no body is over the server\'s maxPayload',
    async run({ url, t }) {
      const socket = t.open(url, { transports: ['polling'] });
      await t.heard(socket, 'connect');
      for (let n = 0; n < 40; n++) socket.emit('nobody answers', 'é'.repeat(30_000));
      t.equal(await socket.emitWithAck('echo', 'after all'), 'after all');
    },
  },
  {
    name: 'binaryType: what received bytes are',
    on: 'page',
    not: ['parser'],
    async run({ url, t }) {
      const socket = t.open(url);
      t.equal((await socket.emitWithAck('echo', Uint8Array.of(1))) instanceof ArrayBuffer, true);
      socket.io.engine.binaryType = 'blob';
      t.equal((await socket.emitWithAck('echo', Uint8Array.of(1))) instanceof Blob, true);
    },
  },
  {
    name: 'blobs and files are sent as bytes, in order',
    not: ['parser'],
    async run({ url, t }) {
      for (const transport of ['polling', 'websocket']) {
        const socket = t.open(url, { transports: [transport] });
        const blob = new Blob([Uint8Array.of(9, 8)]);
        const order = await Promise.all([socket.emitWithAck('echo', { blob }), socket.emitWithAck('echo', 'then')]);
        t.equal(t.plain(order), t.plain([{ blob: Uint8Array.of(9, 8) }, 'then']));
      }
    },
  },
  {
    name: 'closeOnBeforeunload',
    on: 'page',
    async run({ url, t }) {
      for (const closeOnBeforeunload of [true, false]) {
        const socket = t.open(url, { transports: ['websocket'], closeOnBeforeunload });
        await t.heard(socket, 'connect');
        const { ws } = socket.io.engine.transport;
        dispatchEvent(new Event('beforeunload'));
        t.equal(ws.readyState, closeOnBeforeunload ? WebSocket.CLOSING : WebSocket.OPEN);
        t.equal(socket.connected, true); // nobody is told
      }
    },
  },
  {
    name: 'useNativeTimers: although the page has replaced them',
    async run({ url, t }) {
      const { setTimeout } = globalThis;
      globalThis.setTimeout = () => {
        const timer = setTimeout(() => {}, 1);
        clearTimeout(timer);
        return timer;
      };
      try {
        const socket = t.open(url, { useNativeTimers: true });
        const error = await new Promise((resolve) => socket.timeout(10).emit('nobody answers', resolve));
        t.equal(error instanceof Error, true);
      } finally {
        globalThis.setTimeout = setTimeout;
      }
    },
  },
];
