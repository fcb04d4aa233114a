// A client in a program of its own: Node old or new, Python, Rust. It is told what to do in lines of JSON, and reports
// in lines of JSON:
//
//   → {"id":1,"key":0,"method":"open","args":[{…}]}     one of: open, emit, call, transport, disconnect
//   ← {"id":1,"value":…}  or  {"id":1,"error":"…"}      the answer
//   ← {"key":0,"event":"connect","args":[…]}            what the client with that key has seen
//
// Bytes travel as `{"$bytes":"00ff"}`.

import { spawn } from 'node:child_process';
import { pack, unpack } from '../../interop/lib/bytes.mjs';
import { CHAT_EVENTS, Client } from '../../interop/lib/clients.mjs';
import { EventLog } from '../../interop/lib/log.mjs';

/** Nothing lives longer, in seconds, even if the sweep itself is killed: some clients spin for ever. */
const LIFE = '400';
const running = new Set();
process.on('exit', () => running.forEach((program) => program.end()));

export class Program {
  #child;
  #logs = [];
  #asked = new Map();
  #ids = 0;
  #ended;
  /** The last of what it wrote otherwise. */
  noise = '';

  constructor(command, args, options = {}) {
    this.#child = spawn('timeout', ['--signal=KILL', LIFE, command, ...args], { stdio: ['pipe', 'pipe', 'pipe'], detached: true, ...options });
    running.add(this);
    this.#child.stdin.on('error', () => {}); // it has ended, which is told below
    this.#child.on('error', (error) => this.#fail(error.message));
    this.#child.on('close', (code, signal) => this.#fail(`the program ended (${signal ?? code}): ${this.#lastWords()}`));
    this.#child.stderr.setEncoding('utf8').on('data', (text) => this.#hush(text));
    let rest = '';
    this.#child.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) this.#read(line);
    });
  }

  /** A new client in the program. */
  open(spec) {
    spec = { events: CHAT_EVENTS, ...spec };
    const key = this.#logs.push(new EventLog(spec.name)) - 1;
    const opened = this.ask(key, 'open', spec);
    opened.catch((error) => this.#logs[key].push('not opened', [error.message]));
    const ask = async (method, ...args) => {
      await opened;
      return this.ask(key, method, ...args);
    };
    return new Client(spec, this.#logs[key], {
      emit: (name, calls) => ask('emit', name, calls),
      call: (name, args) => ask('call', name, args),
      transport: () => ask('transport'),
      disconnect: () => ask('disconnect'),
    });
  }

  ask(key, method, ...args) {
    if (this.#ended) return Promise.reject(new Error(this.#ended));
    return new Promise((resolve, reject) => {
      const id = ++this.#ids;
      this.#asked.set(id, { resolve, reject });
      this.#child.stdin.write(`${pack({ id, key, method, args })}\n`);
    });
  }

  /** Kills it and what it has started. */
  end() {
    running.delete(this);
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // it has ended already, or never began
    }
  }

  #read(line) {
    if (!line.startsWith('{')) return this.#hush(`${line}\n`);
    const { id, value, error, key, event, args } = unpack(line);
    if (event !== undefined) return this.#logs[key].push(event, args);
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (error === undefined) asked.resolve(value);
    else asked.reject(new Error(error));
  }

  #hush(text) {
    this.noise = (this.noise + text).slice(-4000);
  }

  #lastWords() {
    return this.noise.trim().split('\n').at(-1) ?? '';
  }

  #fail(why) {
    this.#ended ??= why;
    for (const { reject } of this.#asked.values()) reject(new Error(why));
    this.#asked.clear();
  }
}
