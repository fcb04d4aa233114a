// What all transports have in common: how a session gets packets to the server and back.

import { Emitter } from '../emitter.js';
import { bracketed, formatQuery } from '../url.js';

export class TransportError extends Error {
  /** `description` is the status of the answer, or what failed; `context` the request. */
  constructor(message, description, context) {
    super(message);
    this.type = 'TransportError';
    this.description = description;
    this.context = context;
  }
}

/**
 * Fires `open` when packets can be sent, `packet` for each that came, `drain` when those of `send` have
 * gone and `writable` is true again, `error`, and `close` at its end.
 */
export class Transport extends Emitter {
  /** `opts` are the engine's, with those of `transportOptions` for this transport over them. */
  constructor(engine, opts) {
    super();
    this.engine = engine;
    this.opts = opts;
    this.query = { ...opts.query };
    this.supportsBinary = !opts.forceBase64;
    this.readyState = 'closed';
    this.writable = false;
  }

  open() {
    this.readyState = 'opening';
    this.doOpen();
    return this;
  }

  close() {
    if (this.readyState === 'opening' || this.readyState === 'open') {
      this.doClose();
      this.onClose();
    }
    return this;
  }

  /** `packets` are objects with `type` and `data`. Nothing may be sent while `writable` is false. */
  send(packets) {
    if (this.readyState === 'open') this.write(packets);
  }

  onOpen() {
    this.readyState = 'open';
    this.writable = true;
    this.fire('open');
  }

  /** A packet of the server; `undefined` if what came is none. */
  onPacket(packet) {
    if (packet) this.fire('packet', packet);
    else this.onError('parse error', 'the server sent no packet');
  }

  onDrain() {
    this.writable = true;
    this.fire('drain');
  }

  onError(message, description, context) {
    this.fire('error', new TransportError(message, description, context));
  }

  onClose(details) {
    if (this.readyState === 'closed') return;
    this.readyState = 'closed';
    this.writable = false;
    this.fire('close', details);
  }

  /** Its address, with a parameter that is new each time if `stamped`. */
  address(scheme, stamped) {
    const { hostname, port, secure, path, timestampParam } = this.opts;
    const query = { ...this.query };
    const { sid } = query;
    delete query.sid;
    if (stamped) query[timestampParam] = Math.random().toString(36).slice(2, 10);
    if (!this.supportsBinary && !sid) query.b64 = 1;
    if (sid) query.sid = sid;
    const usual = secure ? '443' : '80';
    const at = port && String(port) !== usual ? `:${port}` : '';
    return `${scheme}${secure ? 's' : ''}://${bracketed(hostname)}${at}${path}?${formatQuery(query)}`;
  }
}
