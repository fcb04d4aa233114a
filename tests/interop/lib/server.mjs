// Starts, restarts and ends the programs under test.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PATIENCE } from './log.mjs';
import { freePort } from './ports.mjs';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** All clients of a test are one address, and may be a crowd; flags win over these. */
const CROWDS = { PARLANCE_MAX_SESSIONS_PER_ADDRESS: '0', PARLANCE_HANDSHAKE_RATE: '0' };

/** The chat server: `args` are command line arguments beyond the address. Rates are unbounded unless given. */
export function startChat(args = [], { messageRate = '0', byteRate = '0' } = {}) {
  return Server.start(locateChat(), (port) => ({
    args: ['--host', '127.0.0.1', '--port', String(port), '--message-rate', messageRate, '--byte-rate', byteRate, ...args],
    env: CROWDS,
  }));
}

/** The chat server's program. */
export function locateChat() {
  return locate(process.env.PARLANCE_BIN ?? join(repository, 'target/debug/parlance'), 'PARLANCE_BIN', 'cargo build');
}

/** One of the programs of `examples/`, by name; CALM has them keep the heartbeats of every day. */
export function startExample(name, env = { CALM: '1' }) {
  const folder = process.env.PARLANCE_EXAMPLES ?? join(repository, 'target/debug/examples');
  const binary = locate(join(folder, name), 'PARLANCE_EXAMPLES', 'cargo build --examples');
  return Server.start(binary, (port) => ({ args: [], env: { PORT: String(port), ...env } }));
}

function locate(path, variable, remedy) {
  if (!existsSync(path)) throw new Error(`${path} is missing: build it with '${remedy}', or point ${variable} to it`);
  return path;
}

class Server {
  #binary;
  #command;
  #child;
  #exit;
  /** Everything it wrote to stderr, over all its lives. */
  stderr = '';
  port = 0;
  #scheme = 'http';
  #readers = new Set();

  static async start(binary, command) {
    const server = new Server();
    server.#binary = binary;
    server.#command = command;
    for (let tries = 3; ; tries -= 1) {
      // Nobody gets it by chance while the server is restarted.
      server.port = await freePort();
      try {
        await server.#launch();
        return server;
      } catch (error) {
        // Somebody else chose the same a moment before.
        if (tries === 1 || !/in use/.test(error.message)) throw error;
      }
    }
  }

  get url() {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  /** Ends it and resolves with how it ended: `{ code, signal }`. */
  async stop(signal = 'SIGTERM') {
    this.#child.kill(signal);
    return this.#exit;
  }

  get pid() {
    return this.#child.pid;
  }

  signal(name) {
    this.#child.kill(name);
  }

  /** Resolves with the match when it has written `pattern` to stderr, from position `from` on. */
  said(pattern, from = 0) {
    return new Promise((resolve, reject) => {
      const finish = (settle, value) => {
        clearTimeout(timer);
        this.#readers.delete(read);
        settle(value);
      };
      const read = () => {
        const match = this.stderr.slice(from).match(pattern);
        if (match) finish(resolve, match);
      };
      const timer = setTimeout(() => finish(reject, new Error(`the server did not say ${pattern}`)), PATIENCE);
      this.#readers.add(read);
      read();
    });
  }

  /** Ends it and starts it again on the same port. */
  async restart(signal) {
    await this.stop(signal);
    await this.#launch();
  }

  async #launch() {
    const { args, env } = this.#command(this.port);
    const child = spawn(this.#binary, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { PARLANCE_DATA_DIR: 'none', PARLANCE_HISTORY: '0', ...process.env, ...env } });
    this.#child = child;
    running.add(child);
    this.#exit = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        running.delete(child);
        resolve({ code, signal });
      });
    });
    this.port = await this.#announcement(child);
  }

  #announcement(child) {
    const start = this.stderr.length;
    return new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`${this.#binary} ${why}; its stderr:\n${this.stderr.slice(start)}`));
      const timer = setTimeout(() => fail('did not say that it listens'), PATIENCE);
      child.once('error', (error) => fail(`could not be started: ${error.message}`));
      child.once('exit', (code, signal) => fail(`ended (${code ?? signal}) before it listened`));
      child.stderr.setEncoding('utf8').on('data', (text) => {
        this.stderr += text;
        for (const read of [...this.#readers]) read();
        const line = this.stderr.slice(start).match(/listening on (https?):\/\/127\.0\.0\.1:(\d+)/);
        if (!line) return;
        clearTimeout(timer);
        this.#scheme = line[1];
        resolve(Number(line[2]));
      });
    });
  }
}
