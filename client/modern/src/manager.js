// The connection to one server, which the sockets of several namespaces share, and which it makes anew when it is lost.

import { Backoff } from './backoff.js';
import { Emitter, listen } from './emitter.js';
import { Socket } from './socket.js';
import { root } from './root.js';
import { Timers } from './timers.js';

const DEFAULTS = {
  path: '/socket.io',
  autoConnect: true,
  reconnection: true,
  reconnectionAttempts: Infinity,
  reconnectionDelay: 1000,
  reconnectionDelayMax: 5000,
  randomizationFactor: 0.5,
  timeout: 20000,
};

const filled = (opts, parser) => {
  const all = { ...DEFAULTS, parser };
  for (const name of Object.keys(opts)) if (opts[name] !== undefined) all[name] = opts[name];
  return all;
};

/** Makes a manager of the engine of a platform, and of the parser that is used unless the options name another. */
export function managerOf(Engine, parser) {
  /**
   * Fires `open`, `close`, `packet`, `ping`, `error`, `reconnect`, `reconnect_attempt`, `reconnect_error`
   * and `reconnect_failed`.
   */
  return class Manager extends Emitter {
    constructor(uri, opts) {
      super();
      if (uri && typeof uri === 'object' && !(uri instanceof root.URL)) {
        opts = uri;
        uri = undefined;
      }
      this.uri = uri;
      this.opts = filled(opts || {}, parser);
      this.nsps = {};
      this._timers = new Timers(this.opts);
      this._readyState = 'closed';
      this._reconnecting = false;
      /** Whether the application closed it. */
      this._skipReconnect = false;
      this._reconnection = this.opts.reconnection;
      this._attempts = this.opts.reconnectionAttempts;
      this._timeout = this.opts.timeout;
      const { reconnectionDelay: min, reconnectionDelayMax: max, randomizationFactor: jitter } = this.opts;
      this.backoff = new Backoff({ min, max, jitter });
      const { Encoder, Decoder } = this.opts.parser;
      this.encoder = new Encoder();
      this.decoder = new Decoder();
      this._autoConnect = this.opts.autoConnect;
      if (this._autoConnect) this.open();
    }

    // Each of these sets a value and returns the manager, or returns the value.

    reconnection(value) {
      if (!arguments.length) return this._reconnection;
      this._reconnection = Boolean(value);
      if (!value) {
        this._skipReconnect = true;
        this._timers.clear(this._retry);
        this._reconnecting = false;
      }
      return this;
    }

    reconnectionAttempts(value) {
      if (value === undefined) return this._attempts;
      this._attempts = value;
      return this;
    }

    reconnectionDelay(value) {
      if (value === undefined) return this.backoff.min;
      this.backoff.min = value;
      return this;
    }

    reconnectionDelayMax(value) {
      if (value === undefined) return this.backoff.max;
      this.backoff.max = value;
      return this;
    }

    randomizationFactor(value) {
      if (value === undefined) return this.backoff.jitter;
      this.backoff.jitter = value;
      return this;
    }

    timeout(value) {
      if (!arguments.length) return this._timeout;
      this._timeout = value;
      return this;
    }

    /** Connects. `done` is called with an error, or without one; if it is given, a failure is not tried again. */
    open(done) {
      if (this._readyState !== 'closed') return this;
      this._readyState = 'opening';
      this._skipReconnect = false;
      this.engine = new Engine(this.uri, this.opts);
      const { engine } = this;
      const failed = (error) => {
        this._release();
        this._readyState = 'closed';
        this.fire('error', error);
        if (done) done(error);
        else if (!this._reconnecting && this._reconnection && this.backoff.attempts === 0) this._reconnect();
      };
      const opened = () => {
        this._release();
        this._onOpen();
        if (done) done();
      };
      const stop = listen(engine, { open: opened, error: failed });
      let timer;
      if (this._timeout !== false) {
        timer = this._timers.set(() => {
          stop();
          engine.close();
          failed(new Error('timeout'));
        }, this._timeout);
      }
      this._release = () => {
        stop();
        this._timers.clear(timer);
        this._release = () => {};
      };
      return this;
    }

    connect(done) {
      return this.open(done);
    }

    _release() {}

    _onOpen() {
      this._readyState = 'open';
      const { engine, decoder } = this;
      const stops = [
        listen(engine, {
          ping: () => this.fire('ping'),
          data: (data) => this._onData(data),
          error: (error) => this.fire('error', error),
          close: (reason, details) => this._onClose(reason, details),
        }),
        listen(decoder, { decoded: (packet) => this.fire('packet', packet) }),
      ];
      this._release = () => {
        stops.forEach((stop) => stop());
        decoder.destroy();
        this._release = () => {};
      };
      this.fire('open');
    }

    _onData(data) {
      try {
        this.decoder.add(data);
      } catch (error) {
        this._onClose('parse error', error);
      }
    }

    /** The socket of a namespace, and always the same. */
    socket(nsp, opts) {
      const known = this.nsps[nsp];
      if (!known) {
        const socket = new Socket(this, nsp, opts);
        this.nsps[nsp] = socket;
        if (this._autoConnect) socket.connect();
        return socket;
      }
      if (this._autoConnect && !known.active) known.connect();
      return known;
    }

    /** Sends a packet of one of its sockets. */
    _packet(packet) {
      for (const message of this.encoder.encode(packet)) this.engine.write(message, packet.options);
    }

    /** A socket has ended: so does the connection, unless others use it. */
    _destroy() {
      if (!Object.keys(this.nsps).some((nsp) => this.nsps[nsp].active)) this._close();
    }

    _close() {
      this._skipReconnect = true;
      this._reconnecting = false;
      this._onClose('forced close');
    }

    close() {
      this._close();
    }

    disconnect() {
      this._close();
    }

    _onClose(reason, details) {
      this._release();
      this._timers.clear(this._retry);
      if (this.engine) this.engine.close();
      this.backoff.reset();
      const was = this._readyState;
      this._readyState = 'closed';
      if (was !== 'closed') this.fire('close', reason, details);
      if (this._reconnection && !this._skipReconnect) this._reconnect();
    }

    /** Waits for its time, and tries again. */
    _reconnect() {
      if (this._reconnecting || this._skipReconnect || this._readyState !== 'closed') return;
      if (this.backoff.attempts >= this._attempts) {
        this.backoff.reset();
        this.fire('reconnect_failed');
        return;
      }
      this._reconnecting = true;
      this._retry = this._timers.set(() => this._attempt(), this.backoff.next());
    }

    _attempt() {
      if (this._skipReconnect) return;
      this.fire('reconnect_attempt', this.backoff.attempts);
      // A listener may have ended or replaced this.
      if (this._skipReconnect || this._readyState !== 'closed') return;
      this.open((error) => {
        if (error) {
          this.fire('reconnect_error', error);
          this._reconnecting = false;
          this._reconnect();
        } else {
          const { attempts } = this.backoff;
          this._reconnecting = false;
          this.backoff.reset();
          this.fire('reconnect', attempts);
        }
      });
    }
  };
}
