// Clients of every generation behind one face, in this process or (browser.mjs) in a page.

import { createRequire } from 'node:module';
import { EventLog, PATIENCE } from './log.mjs';
import { openClient } from './open-client.mjs';

const require = createRequire(import.meta.url);

/** The generations that speak Engine.IO, oldest first; INTEROP_GENERATIONS=2.5.0,4.8.4 narrows a hunt down to some. */
export const GENERATIONS = process.env.INTEROP_GENERATIONS?.split(',') ?? ['1.0.6', '1.3.7', '1.7.4', '2.1.1', '2.5.0', '3.1.3', '4.8.4'];
/** The transports that all of them have in Node. */
export const WIRES = ['websocket', 'xhr-polling'];

/** What the chat server sends. */
export const CHAT_EVENTS = ['login', 'user joined', 'user left', 'new message', 'typing', 'stop typing', 'message error'];

/** A specification for each of `generations` over each of `wires`, named for both. */
export function everyKind(generations = GENERATIONS, wires = WIRES) {
  return generations.flatMap((generation) => wires.map((wire) => ({ generation, wire, name: nameOf(generation, wire) })));
}

export function nameOf(generation, wire) {
  return `${generation} ${wire.replace('-polling', '')}`;
}

/** True for the generations that send an object with the request to join a namespace. */
export const hasAuth = (generation) => Number.parseInt(generation, 10) >= 3;

export class Client {
  #drive;

  /**
   * `drive` is what `openClient` returns, or something that forwards to it. Its methods may return promises.
   * `log` is where it reports to.
   */
  constructor(spec, log, drive) {
    this.spec = spec;
    this.name = spec.name ?? nameOf(spec.generation, spec.wire);
    this.log = log;
    this.#drive = drive;
  }

  /** A client in this process. */
  static open(spec) {
    const log = new EventLog(spec.name ?? nameOf(spec.generation, spec.wire));
    const io = require(`socket.io-client-${spec.generation}`);
    const drive = openClient(io, { events: CHAT_EVENTS, ...spec }, (event, args) => log.push(event, args));
    return new Client(spec, log, drive);
  }

  emit(name, ...args) {
    return this.#drive.emit(name, [args]);
  }

  /** Emits one event for each of `values`, in a row. */
  emitEach(name, values) {
    return this.#drive.emit(name, values.map((value) => [value]));
  }

  /** Emits and resolves with the arguments of the acknowledgement. */
  async call(name, ...args) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.name}: no answer to '${name}'\n${this.log.tail()}`)), PATIENCE);
    });
    try {
      return await Promise.race([this.#drive.call(name, args), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The transport in use, in the vocabulary of 0.9. */
  transport() {
    return this.#drive.transport();
  }

  /** The id of its session. */
  sessionId() {
    return this.#drive.id();
  }

  /** Whether all that it sent was taken, as far as its transport can know. In this process only. */
  idle() {
    return this.#drive.idle();
  }

  /** Whether it is about to connect again by itself; 0.9 only. */
  returns() {
    return this.#drive.returns();
  }

  /** Makes it ask for a session that no server knows, from its next request on. */
  forgetSession() {
    return this.#drive.forgetSession();
  }

  until(event, test, options) {
    return this.log.until(event, test, options);
  }

  /** Resolves when it is connected. One that may reconnect has more than one try. */
  async connected(from = 0) {
    await this.until(this.spec.reconnect ? 'connect' : ['connect', 'connect_error', 'connect_failed'], undefined, { from });
    if (this.log.all('connect', from).length) return;
    throw new Error(`${this.name} could not connect: ${JSON.stringify(this.log.all('connect_error'))}`);
  }

  disconnect() {
    return this.#drive.disconnect();
  }

  /** One more namespace over the same connection. */
  join(namespace, spec = {}) {
    return Client.open({ ...this.spec, name: `${this.name} ${namespace}`, ...spec, namespace, shares: this.#drive });
  }
}
