// An Engine.IO session: transports, heartbeat, and what waits to be sent.

import { Emitter } from '../emitter.js';
import { soon, Timers } from '../timers.js';
import { parseQuery, url } from '../url.js';
import { root } from '../root.js';
import { lengthOf } from './packets.js';
import { probe } from './probe.js';

/** Whether the last session reached WebSocket, for `rememberUpgrade`. */
let reachedWebSocket = false;

const DEFAULTS = {
  path: '/engine.io',
  query: {},
  upgrade: true,
  rememberUpgrade: false,
  addTrailingSlash: true,
  timestampParam: 't',
  timestampRequests: undefined,
  transportOptions: {},
  closeOnBeforeunload: false,
  withCredentials: false,
  forceBase64: false,
  tryAllTransports: false,
};

/** The server: as `address` says; without one, as options say, or the page's own. */
function target(address, opts) {
  const at = url(address);
  if (address !== undefined) return at;
  const secure = opts.secure === undefined ? at.secure : opts.secure;
  const host = opts.hostname || opts.host;
  if (host) return { host: host.replace(/^\[|\]$/g, ''), secure, port: String(opts.port || (secure ? 443 : 80)), query: '' };
  return { host: at.host, secure, port: String(opts.port || at.port), query: '' };
}

/** Makes an engine of the transports that a platform has, by their names, preferred first. */
export function engineOf({ transports: known, binaryType }) {
  /**
   * Fires `open`, `handshake`, `packet`, `packetCreate`, `message` (and `data`, the same), `ping`, `pong`,
   * `heartbeat`, `flush`, `drain`, `upgrading`, `upgrade`, `upgradeError`, `error`, and `close` at its end.
   */
  class Engine extends Emitter {
    constructor(address, opts = {}) {
      super();
      const at = target(address, opts);
      Object.assign(this, { hostname: at.host, secure: at.secure, port: at.port });
      this.opts = { ...DEFAULTS, ...opts, hostname: this.hostname, port: this.port, secure: this.secure };
      const query = opts.query === undefined ? at.query : opts.query;
      this.opts.path = this.opts.path.replace(/\/$/, '') + (this.opts.addTrailingSlash ? '/' : '');
      this.opts.query = typeof query === 'string' ? parseQuery(query) : { ...query };

      const byName = { ...known };
      const names = (opts.transports || Object.keys(known)).map((transport) => {
        if (typeof transport === 'string') return transport;
        const { name } = transport.prototype;
        byName[name] = transport;
        return name;
      });
      this._byName = byName;
      this.transports = names.filter((name) => byName[name]);

      this.timers = new Timers(this.opts);
      this.binaryType = binaryType;
      this.id = undefined;
      this.readyState = 'closed';
      this.upgrading = false;
      this.writeBuffer = [];
      /** How many of `writeBuffer` the transport has. */
      this._sending = 0;
      this._upgrades = [];
      this._pingTimeoutTime = Infinity;
      this._listenToPage();
      this._open();
    }

    /** Makes a transport of that name, for the session as it is. */
    create(name) {
      const opts = { ...this.opts, ...this.opts.transportOptions[name] };
      const query = { ...opts.query, EIO: 4, transport: name };
      if (this.id) query.sid = this.id;
      return new this._byName[name](this, { ...opts, query });
    }

    _open() {
      this.readyState = 'opening';
      if (!this.transports.length) {
        soon(() => this._onError(new Error('No transports available')));
        return;
      }
      const remembered = this.opts.rememberUpgrade && reachedWebSocket && this.transports.includes('websocket');
      const transport = this.create(remembered ? 'websocket' : this.transports[0]);
      this.setTransport(transport);
      transport.open();
    }

    /** The session moves to this one, which the server has answered. */
    moveTo(transport) {
      this.setTransport(transport);
      reachedWebSocket = transport.name === 'websocket';
    }

    /** From now on packets go and come by this one. */
    setTransport(transport) {
      if (this.transport) this.transport.off();
      this.transport = transport;
      transport
        .on('drain', () => this._onDrain())
        .on('packet', (packet) => this._onPacket(packet))
        .on('error', (error) => this._onError(error))
        .on('close', (details) => this._onClose('transport close', details));
    }

    _onPacket(packet) {
      if (this.readyState === 'closed') return;
      this.fire('packet', packet);
      this.fire('heartbeat');
      switch (packet.type) {
        case 'open':
          this._onHandshake(packet.data);
          break;
        case 'ping':
          this._sendPacket('pong');
          this.fire('ping');
          this.fire('pong');
          this._expectPing();
          break;
        case 'message':
          this.fire('data', packet.data);
          this.fire('message', packet.data);
          break;
        case 'close':
          this._onClose('transport close', { description: 'transport closed by the server' });
          break;
        default:
      }
    }

    _onHandshake(json) {
      let data;
      try {
        data = JSON.parse(json);
        this._upgrades = data.upgrades.filter((name) => this.transports.includes(name));
      } catch (error) {
        this._onError(error);
        return;
      }
      this.fire('handshake', data);
      this.id = data.sid;
      this.transport.query.sid = data.sid;
      this._pingEvery = data.pingInterval;
      this._pingWithin = data.pingTimeout;
      this._maxPayload = data.maxPayload;
      this.readyState = 'open';
      reachedWebSocket = this.transport.name === 'websocket';
      this.fire('open');
      this.flush();
      // A listener may have closed it.
      if (this.readyState !== 'open') return;
      this._expectPing();
      if (this.opts.upgrade) {
        for (const name of this._upgrades) if (name !== this.transport.name) probe(this, name);
      }
    }

    _expectPing() {
      this.timers.clear(this._pingTimer);
      const delay = this._pingEvery + this._pingWithin;
      /** When the server is taken for dead, though a timer may be late: pages in the background have slow ones. */
      this._pingTimeoutTime = Date.now() + delay;
      this._pingTimer = this.timers.set(() => this._onClose('ping timeout'), delay);
    }

    /** Whether the server should have sent a ping by now. If so, the session ends. */
    _hasPingExpired() {
      const expired = Date.now() > this._pingTimeoutTime;
      if (expired && this._pingTimeoutTime) soon(() => this._onClose('ping timeout'));
      if (expired) this._pingTimeoutTime = 0;
      return expired;
    }

    write(message, options, flushed) {
      this._sendPacket('message', message, options, flushed);
      return this;
    }

    send(message, options, flushed) {
      return this.write(message, options, flushed);
    }

    _sendPacket(type, data, options = {}, flushed) {
      if (this.readyState === 'closing' || this.readyState === 'closed') return;
      const packet = { type, data, options: { ...options, compress: options.compress !== false } };
      this.fire('packetCreate', packet);
      this.writeBuffer.push(packet);
      if (flushed) this.once('flush', flushed);
      this.flush();
    }

    /** Gives the transport what waits, if it can take it. */
    flush() {
      if (this.readyState === 'closed' || this.upgrading || !this.transport.writable || this._sending || !this.writeBuffer.length) return;
      const packets = this.writeBuffer.slice(0, this._fitting());
      this._sending = packets.length;
      this.transport.send(packets);
      this.fire('flush');
    }

    /** How many of those that wait the server takes in one body. */
    _fitting() {
      const { length } = this.writeBuffer;
      if (!this._maxPayload || this.transport.name !== 'polling' || length < 2) return length;
      let size = 0;
      for (let count = 0; count < length; count++) {
        // The separator is a byte.
        size += lengthOf(this.writeBuffer[count]) + (count ? 1 : 0);
        if (count && size > this._maxPayload) return count;
      }
      return length;
    }

    _onDrain() {
      this.writeBuffer.splice(0, this._sending);
      this._sending = 0;
      if (this.writeBuffer.length) this.flush();
      else this.fire('drain');
    }

    /** Ends the session when all has been sent. */
    close() {
      if (this.readyState !== 'opening' && this.readyState !== 'open') return this;
      this.readyState = 'closing';
      this._closeWhenIdle();
      return this;
    }

    _closeWhenIdle() {
      if (this.readyState !== 'closing') return;
      const again = (...events) => {
        const once = () => {
          events.forEach((name) => this.off(name, once));
          this._closeWhenIdle();
        };
        events.forEach((name) => this.on(name, once));
      };
      if (this.upgrading) again('upgrade', 'upgradeError');
      else if (this.writeBuffer.length) again('drain');
      else this._onClose('forced close');
    }

    _onError(error) {
      reachedWebSocket = false;
      if (this.opts.tryAllTransports && this.readyState === 'opening' && this.transports.length > 1) {
        this.transports = this.transports.filter((name) => name !== this.transport.name);
        this.transport.off();
        this._open();
        return;
      }
      this.fire('error', error);
      this._onClose('transport error', error);
    }

    _onClose(reason, details) {
      if (this.readyState === 'closed') return;
      this.timers.clear(this._pingTimer);
      this._stopListening();
      if (this.transport) {
        this.transport.off();
        this.transport.close();
      }
      this.readyState = 'closed';
      this.id = undefined;
      this.writeBuffer = [];
      this._sending = 0;
      this.fire('close', reason, details);
    }

    /** The page goes, or the network does. */
    _listenToPage() {
      this._stopListening = () => {};
      if (typeof root.addEventListener !== 'function' || typeof root.removeEventListener !== 'function') return;
      const leave = () => {
        if (!this.transport) return;
        this.transport.off();
        this.transport.close();
      };
      const offline = () => this._onClose('transport close', { description: 'network connection lost' });
      const local = ['localhost', '127.0.0.1', '::1'].includes(this.hostname);
      if (this.opts.closeOnBeforeunload) root.addEventListener('beforeunload', leave, false);
      if (!local) root.addEventListener('offline', offline, false);
      this._stopListening = () => {
        root.removeEventListener('beforeunload', leave, false);
        root.removeEventListener('offline', offline, false);
      };
    }
  }

  Engine.protocol = 4;
  return Engine;
}
