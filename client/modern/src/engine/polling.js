// Polling: packets go up by POST, and come down in the answer to a GET that the server holds until it has some.
// How a request is made is for those that extend this.

import { soon } from '../timers.js';
import { decodeBody, encodeBody } from './packets.js';
import { Transport } from './transport.js';

/** ms that a closed transport waits for the answer to its handshake, to tell the server. */
const LATE = 10000;

export class Polling extends Transport {
  constructor(engine, opts) {
    super(engine, opts);
    this._polling = undefined;
    this._pausing = undefined;
  }

  get name() {
    return 'polling';
  }

  /** Messages of errors. */
  get errors() {
    return { GET: 'xhr poll error', POST: 'xhr post error' };
  }

  /**
   * Makes a request: `{ method, url, body }`. Calls `done(text)` after a good answer, else
   * `failed(description, context)`. Returns what ends the request, after which it calls nothing.
   */
  request() {
    throw new Error('not implemented');
  }

  doOpen() {
    this._poll();
  }

  /** Calls `paused` when no request is under way and none will be made. */
  pause(paused) {
    this._pausing = paused;
    this._checkPause();
  }

  /** Goes on after `pause`, if nothing came of it. */
  resume() {
    this._pausing = undefined;
    if (this.readyState === 'paused') this.readyState = 'open';
    if (this.readyState === 'open' && !this._polling) this._poll();
  }

  _checkPause() {
    if (!this._pausing || this._polling || !this.writable) return;
    const paused = this._pausing;
    this._pausing = undefined;
    this.readyState = 'paused';
    paused();
  }

  _poll() {
    this._polling = this._ask('GET', undefined, (body) => {
      this._polling = undefined;
      this._answer(body);
    });
  }

  _answer(body) {
    const packets = decodeBody(body, this.engine.binaryType);
    if (this.readyState === 'closed') this._leaveLate(packets[0]);
    for (const packet of packets) {
      if (this.readyState === 'closed') return;
      if (this.readyState === 'opening' && packet && packet.type === 'open') this.onOpen();
      if (packet && packet.type === 'close') this.onClose({ description: 'transport closed by the server' });
      else this.onPacket(packet);
    }
    if (this.readyState === 'closed') return;
    if (this._pausing) this._checkPause();
    else if (!this._polling) this._poll();
  }

  write(packets) {
    this.writable = false;
    const body = encodeBody(packets);
    const post = (text) => {
      if (this.readyState !== 'open') return;
      this._posting = this._ask('POST', text, () => {
        this._posting = undefined;
        this.onDrain();
        this._checkPause();
      });
    };
    if (typeof body === 'string') post(body);
    else body.then(post, (error) => this.onError(this.errors.POST, error));
  }

  doClose() {
    if (this.readyState === 'open') this._leave();
    // Else the server is told when it answers: it may have opened the session.
    else if (this._polling) this.engine.timers.set(this._polling, LATE);
  }

  /** Tells the server, which then answers the poll that it holds. */
  _leave() {
    const end = () => this._polling && this._polling();
    this.request({ method: 'POST', url: this._address(), body: '1' }, end, end);
  }

  _leaveLate(packet) {
    if (this.query.sid || !packet || packet.type !== 'open') return;
    try {
      this.query.sid = JSON.parse(packet.data).sid;
      this._leave();
    } catch (_) {
      // It was no session.
    }
  }

  _address() {
    return this.address('http', this.opts.timestampRequests !== false);
  }

  _ask(method, body, done) {
    const failed = (description, context) => this.onError(this.errors[method], description, context);
    try {
      return this.request({ method, url: this._address(), body }, done, failed);
    } catch (error) {
      soon(() => failed(error));
      return () => {};
    }
  }
}
