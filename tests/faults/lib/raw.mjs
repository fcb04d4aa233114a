// A client that says what it saw: an answer, a reset, an end, or silence.

import http from 'node:http';
import https from 'node:https';
import { FrameReader, frameContent, textFrame } from './frames.mjs';

/** Upper bound of every wait, in milliseconds. Reaching it is a failure, never a pace. */
export const PATIENCE = process.env.FULL ? 120_000 : 20_000;
export const ENGINE = '/socket.io/?EIO=4&transport=';
const UPGRADE = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' };

const clientOf = (url) => (url.startsWith('https') ? https : http);

/** How a connection failed, in one word: `reset`, `end`, or what the system says. */
const failure = ({ code }) => ({ ECONNRESET: 'reset', EPIPE: 'reset' })[code] ?? code;

/**
 * One plain request. Resolves with `{ status, headers, text, pieces }`, where `pieces` are `[ms, text]` since the answer
 * began; or with `{ failed }`: `reset`, `silent` if nothing came for `patience` ms, or a code of the system. `enough(text)`
 * ends it early.
 */
export function get(url, { method = 'GET', headers, body, patience = PATIENCE, enough = () => false, ...tls } = {}) {
  return new Promise((resolve) => {
    const request = clientOf(url).request(url, { agent: false, method, headers, ...tls });
    const finish = (seen) => {
      clearTimeout(timer);
      request.destroy();
      resolve(seen);
    };
    const timer = setTimeout(() => finish({ failed: 'silent' }), patience);
    request.on('error', (error) => finish({ failed: failure(error) }));
    request.on('response', (response) => {
      const began = Date.now();
      const seen = { status: response.statusCode, headers: response.headers, text: '', pieces: [], ended: false };
      clearTimeout(timer);
      response.on('data', (piece) => {
        seen.text += piece;
        seen.pieces.push([Date.now() - began, String(piece)]);
        if (enough(seen.text)) finish(seen);
      });
      response.on('end', () => finish({ ...seen, ended: true }));
      response.on('error', () => finish({ ...seen, cut: true }));
    });
    request.end(body);
  });
}

/**
 * Asks for a WebSocket. Resolves with `{ status, headers, text }` of a refusal, `{ failed }` as above, or
 * `{ status: 101, headers, socket }` with a `RawSocket`.
 */
export function upgrade(url, { headers, patience = PATIENCE, ...tls } = {}) {
  return new Promise((resolve) => {
    const request = clientOf(url).request(url, { agent: false, headers: { ...UPGRADE, ...headers }, ...tls });
    const finish = (seen) => {
      clearTimeout(timer);
      resolve(seen);
    };
    const timer = setTimeout(() => {
      finish({ failed: 'silent' });
      request.destroy();
    }, patience);
    request.on('error', (error) => finish({ failed: failure(error) }));
    request.on('upgrade', (response, socket, early) => finish({ status: 101, headers: response.headers, socket: new RawSocket(socket, early) }));
    request.on('response', (response) => {
      let text = '';
      response.on('data', (piece) => (text += piece));
      response.on('close', () => finish({ status: response.statusCode, headers: response.headers, text }));
    });
    request.end();
  });
}

/** A WebSocket whose frames are seen as they are. */
export class RawSocket {
  #socket;
  #reader = new FrameReader();
  #waiting = new Set();
  /** What came, as `{ opcode, reserved, text }`. */
  frames = [];
  /** `closed` or `reset`, once it is over. */
  over;

  constructor(socket, early) {
    this.#socket = socket;
    const take = (bytes) => {
      this.frames.push(...this.#reader.read(bytes).map(frameContent));
      this.#tell();
    };
    const end = (how) => {
      this.over ??= how;
      this.#tell();
    };
    socket.on('data', take);
    socket.on('error', () => end('reset'));
    socket.on('close', () => end('closed'));
    if (early.length) take(early);
  }

  send(text) {
    this.#socket.write(textFrame(text, true));
  }

  /** Resolves as soon as `test()` holds. */
  until(test, what = String(test)) {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!test()) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve();
      };
      const timer = setTimeout(() => reject(new Error(`in vain: ${what}; frames: ${JSON.stringify(this.frames)}, ${this.over}`)), PATIENCE);
      this.#waiting.add(look);
      look();
    });
  }

  /** The text of frame `n`, when it has come. */
  async frame(n) {
    await this.until(() => this.frames.length > n || this.over, `frame ${n}`);
    return this.frames[n]?.text;
  }

  /** How it ended, when it has. */
  async ended() {
    await this.until(() => this.over, 'its end');
    return this.over;
  }

  close() {
    this.#socket.destroy();
  }

  #tell() {
    for (const look of [...this.#waiting]) look();
  }
}
