// Somebody who says numbers, each with an id, says again what was not acknowledged, and keeps what was heard, and when.

import { createRequire } from 'node:module';

const { io } = createRequire(new URL('../../interop/package.json', import.meta.url))('socket.io-client-4.8.4');

/** A message that is not acknowledged is sent again after so long, or when the connection is back. */
const ACK = 5000;

export class Person {
  /** What was said, by number: when it was first sent, when acknowledged, and how often it was sent. */
  said = [];
  /** What was heard of whom, by name: numbers in the order in which they came. */
  heard = new Map();
  /** From when to when this person was in the room; the last one is open. */
  stays = [];
  /** Why logins were refused: they are tried again, as our own page does. */
  refusals = [];
  #open = new Set();
  #talk;
  #nodes;

  /** Connects to the first of `nodes`, and to the next one whenever the connection is lost. */
  constructor(name, nodes) {
    this.name = name;
    this.#nodes = [...nodes];
    this.socket = io(nodes[0].url, { forceNew: true, transports: ['websocket'], reconnectionDelay: 50, reconnectionDelayMax: 300, timeout: 20_000 });
    this.socket.on('connect', () => this.#join());
    this.socket.on('disconnect', () => { this.#left(); this.#move(); });
    this.socket.on('connect_error', () => this.#move());
    this.socket.on('new message', ({ username, message }) => {
      if (!this.heard.has(username)) this.heard.set(username, []);
      this.heard.get(username).push({ n: Number(message), at: Date.now() });
    });
  }

  get node() {
    return this.#nodes[0];
  }

  #move() {
    this.#nodes.push(this.#nodes.shift());
    this.socket.io.uri = this.node.url;
    // A server that goes says so, and the client does not come back by itself.
    if (!this.socket.active) this.socket.connect();
  }

  #left() {
    const stay = this.stays.at(-1);
    if (stay && !stay.to) stay.to = Date.now();
  }

  #join() {
    this.socket.emit('add user', this.name, (answer) => {
      if (!answer.ok) {
        this.refusals.push(answer.reason);
        return setTimeout(() => this.socket.connected && this.#join(), 200);
      }
      this.stays.push({ from: Date.now() });
      for (const n of [...this.#open].sort((a, b) => a - b)) this.#send(n);
    });
  }

  get isThere() {
    const stay = this.stays.at(-1);
    return stay !== undefined && stay.to === undefined;
  }

  /** Says a number each `period` ms, until `hush`. */
  talk(period) {
    this.#talk = setInterval(() => {
      const n = this.said.length;
      this.said.push({ n, first: Date.now(), acked: undefined, sent: 0 });
      this.#open.add(n);
      if (this.isThere) this.#send(n);
    }, period);
  }

  #send(n) {
    const one = this.said[n];
    one.sent += 1;
    const timer = setTimeout(() => this.#open.has(n) && this.isThere && this.#send(n), ACK);
    this.socket.emit('new message', String(n), { id: `${this.name}-${n}` }, (answer) => {
      clearTimeout(timer);
      if (!answer.ok) throw new Error(`${this.name}: ${JSON.stringify(answer)}`);
      one.acked ??= Date.now();
      this.#open.delete(n);
    });
  }

  hush() {
    clearInterval(this.#talk);
  }

  /** How many were not acknowledged. */
  get open() {
    return this.#open.size;
  }

  /** Whether this person was there from one time to another, without a break. */
  wasThere(from, to) {
    return this.stays.some((stay) => stay.from <= from && (stay.to ?? Infinity) >= to);
  }

  close() {
    this.hush();
    this.socket.io.reconnection(false);
    this.socket.disconnect();
  }
}
