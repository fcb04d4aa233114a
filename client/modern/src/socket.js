// The application's end of one namespace: events both ways, acknowledgements, and whether it is connected.

import { callAll, Emitter, listen } from './emitter.js';
import { PacketType, RESERVED } from './parser/packet.js';
import { Retries } from './retries.js';

export class Socket extends Emitter {
  constructor(io, nsp, opts = {}) {
    super();
    this.io = io;
    this.nsp = nsp;
    this.id = undefined;
    this.connected = false;
    /** Whether the server went on with the previous session: nothing was lost in between. */
    this.recovered = false;
    this.auth = opts.auth;
    /** What came before the server said that the socket is connected. */
    this.receiveBuffer = [];
    /** What is sent when it is connected. */
    this.sendBuffer = [];
    /** What waits for an acknowledgement, by id. */
    this.acks = {};
    this.ids = 0;
    this.flags = {};
    this._opts = opts;
    this._retries = new Retries(this);
    this._any = [];
    this._anyOutgoing = [];
  }

  get disconnected() {
    return !this.connected;
  }

  /** Whether it is connected, or will be by itself. */
  get active() {
    return this._stop !== undefined;
  }

  get _queue() {
    return this._retries.queue;
  }

  connect() {
    if (this.connected) return this;
    if (!this._stop) {
      this._stop = listen(this.io, {
        open: () => this._join(),
        packet: (packet) => this.onpacket(packet),
        error: (error) => this.connected || this.fire('connect_error', error),
        close: (reason, details) => this._onClose(reason, details),
      });
    }
    if (!this.io._reconnecting) this.io.open();
    if (this.io._readyState === 'open') this._join();
    return this;
  }

  disconnect() {
    if (this.connected) this._packet({ type: PacketType.DISCONNECT });
    const was = this.connected;
    // Told first, so that a closing connection does not tell it another reason.
    this._leave();
    if (was) this._onClose('io client disconnect');
    return this;
  }

  /** Emits `message`. */
  send(...args) {
    return this.emit('message', ...args);
  }

  /** Sends an event. A function as the last argument is called with the server's acknowledgement. */
  emit(name, ...args) {
    if (RESERVED.includes(name)) throw new Error(`"${name}" is a reserved event name`);
    const { flags } = this;
    this.flags = {};
    if (this._opts.retries && !flags.queued && !flags.volatile) {
      this._retries.add([name, ...args], flags);
      return this;
    }
    const { engine } = this.io;
    const ready = this.connected && !engine._hasPingExpired();
    const dropped = flags.volatile && !(ready && engine.transport && engine.transport.writable);
    const packet = { type: PacketType.EVENT, data: [name, ...args], options: { compress: flags.compress !== false } };
    if (typeof args[args.length - 1] === 'function') {
      packet.id = this.ids++;
      this._expect(packet.id, packet.data.pop(), flags);
    }
    if (dropped) this._forget(packet.id);
    else if (ready) this._sendEvent(packet);
    else this.sendBuffer.push(packet);
    return this;
  }

  /** Like `emit`, and returns a promise of the acknowledgement. */
  emitWithAck(name, ...args) {
    return new Promise((resolve, reject) => {
      const answered = (error, value) => (error ? reject(error) : resolve(value));
      answered.withError = true;
      this.emit(name, ...args, answered);
    });
  }

  /** Keeps an acknowledgement's function, which is called with an error first if it is to have one. */
  _expect(id, answered, flags) {
    const within = flags.timeout === undefined ? this._opts.ackTimeout : flags.timeout;
    const timed = within !== undefined;
    const withError = timed || answered.withError === true;
    const timer = timed
      ? this.io._timers.set(() => {
          delete this.acks[id];
          this.sendBuffer = this.sendBuffer.filter((packet) => packet.id !== id);
          callAll([answered], this, [new Error('operation has timed out')]);
        }, within)
      : undefined;
    this.acks[id] = { answered, withError, timed, timer };
  }

  /** An event that nobody gets: it is answered by its timeout, or not at all. */
  _forget(id) {
    if (id !== undefined && !this.acks[id].timed) delete this.acks[id];
  }

  _answered(id, error, args) {
    const ack = this.acks[id];
    if (!ack) return;
    delete this.acks[id];
    this.io._timers.clear(ack.timer);
    if (!ack.withError && error) return;
    callAll([ack.answered], this, ack.withError ? [error, ...args] : args);
  }

  /** The next event is sent as it is; a hint for servers and transports that compress. */
  compress(compress) {
    this.flags.compress = compress;
    return this;
  }

  /** The next event is dropped if it cannot be sent at once. */
  get volatile() {
    this.flags.volatile = true;
    return this;
  }

  /** The acknowledgement of the next event is waited for so many ms. Its function gets an error first. */
  timeout(ms) {
    this.flags.timeout = ms;
    return this;
  }

  // Listeners to every event that comes.

  onAny(listener) {
    this._any = [...this._any, listener];
    return this;
  }

  prependAny(listener) {
    this._any = [listener, ...this._any];
    return this;
  }

  offAny(listener) {
    this._any = without(this._any, listener);
    return this;
  }

  listenersAny() {
    return this._any;
  }

  // Listeners to every event that goes.

  onAnyOutgoing(listener) {
    this._anyOutgoing = [...this._anyOutgoing, listener];
    return this;
  }

  prependAnyOutgoing(listener) {
    this._anyOutgoing = [listener, ...this._anyOutgoing];
    return this;
  }

  offAnyOutgoing(listener) {
    this._anyOutgoing = without(this._anyOutgoing, listener);
    return this;
  }

  listenersAnyOutgoing() {
    return this._anyOutgoing;
  }

  _packet(packet) {
    this.io._packet({ ...packet, nsp: this.nsp });
  }

  _sendEvent(packet) {
    callAll(this._anyOutgoing, this, packet.data);
    this._packet(packet);
  }

  /** Asks for the namespace. */
  _join() {
    const { engine } = this.io;
    if (this._asked === engine) return;
    this._asked = engine;
    const ask = (data) => {
      // The function that gives it may take its time, and call twice.
      if (this._asked !== engine || this._sentTo === engine || this.io._readyState !== 'open') return;
      this._sentTo = engine;
      const session = this._pid ? { pid: this._pid, offset: this._lastOffset } : undefined;
      this._packet({ type: PacketType.CONNECT, data: session ? { ...session, ...data } : data });
    };
    if (typeof this.auth === 'function') this.auth(ask);
    else ask(this.auth);
  }

  onpacket(packet) {
    if (packet.nsp !== this.nsp) return;
    switch (packet.type) {
      case PacketType.CONNECT:
        this._onConnect(packet.data || {});
        break;
      case PacketType.EVENT:
      case PacketType.BINARY_EVENT:
        this._onEvent(packet);
        break;
      case PacketType.ACK:
      case PacketType.BINARY_ACK:
        this._answered(packet.id, null, packet.data);
        break;
      case PacketType.DISCONNECT:
        this._leave();
        this._onClose('io server disconnect');
        break;
      case PacketType.CONNECT_ERROR:
        this._leave();
        this._onRefused(packet.data);
        break;
      default:
    }
  }

  _onRefused(data) {
    const error = new Error(typeof data === 'string' ? data : data.message);
    error.data = data.data;
    this.fire('connect_error', error);
  }

  _onConnect({ sid, pid }) {
    if (!sid) {
      this.fire('connect_error', new Error('the server speaks an older protocol: it needs a client of Socket.IO 2'));
      return;
    }
    this.id = sid;
    this.recovered = Boolean(pid) && pid === this._pid;
    this._pid = pid;
    this.connected = true;
    const [received, waiting] = [this.receiveBuffer, this.sendBuffer];
    this.receiveBuffer = [];
    this.sendBuffer = [];
    for (const args of received) this._deliver(args);
    for (const packet of waiting) this._sendEvent(packet);
    this._retries.next(true);
    this.fire('connect');
  }

  _onEvent({ data, id }) {
    const args = id === undefined ? data : [...data, this._acknowledge(id)];
    if (this.connected) this._deliver(args);
    else this.receiveBuffer.push(args);
  }

  _deliver(args) {
    callAll(this._any, this, args);
    this.fire(...args);
    // With recovery on, the server puts an offset behind the arguments.
    const last = args[args.length - 1];
    if (this._pid && typeof last === 'string') this._lastOffset = last;
  }

  /** A function that acknowledges an event of the server, once. */
  _acknowledge(id) {
    let sent = false;
    return (...data) => {
      if (sent) return;
      sent = true;
      if (this.connected) this._packet({ type: PacketType.ACK, id, data });
    };
  }

  /** Does not connect again by itself. */
  _leave() {
    if (this._stop) this._stop();
    this._stop = this._asked = this._sentTo = undefined;
    this.io._destroy();
  }

  _onClose(reason, details) {
    const was = this.connected;
    this.connected = false;
    this.id = this._asked = this._sentTo = undefined;
    if (was) this.fire('disconnect', reason, details);
    // What was sent is not answered any more; what waits to be sent may yet be.
    for (const id of Object.keys(this.acks)) {
      if (!this.sendBuffer.some((packet) => String(packet.id) === id)) this._answered(id, new Error('socket has been disconnected'), []);
    }
  }
}

const { connect, disconnect } = Socket.prototype;
Socket.prototype.open = connect;
Socket.prototype.close = disconnect;

function without(listeners, listener) {
  if (!listener) return [];
  const at = listeners.indexOf(listener);
  return listeners.filter((_, index) => index !== at);
}
