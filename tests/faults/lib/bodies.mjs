// What becomes of the bodies of answers on their way.

import { createGzip } from 'node:zlib';
import { Transform } from 'node:stream';

/** Pieces that come within this time are one. */
const COALESCE_MS = 20;

/** A stream for an answer's body, with what it changes in the answer's head; by the name in a plan. */
export const BODIES = {
  /** All of it, when it has ended. */
  'until-end': () => ({ through: new Collector(Infinity) }),
  /** In blocks, as a proxy's buffer is filled. */
  'until-4096': () => ({ through: new Collector(4096) }),
  /** Compressed; the compressor keeps what it has until it has enough. */
  gzip: () => ({ through: createGzip(), headers: { 'content-encoding': 'gzip' }, changesLength: true }),
  /** Pieces close in time are put together; none waits long. */
  coalesced: () => ({ through: new Coalescer() }),
};

class Collector extends Transform {
  #size;
  #held = [];
  #bytes = 0;

  constructor(size) {
    super();
    this.#size = size;
  }

  _transform(piece, _, done) {
    this.#held.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes >= this.#size) this.#release();
    done();
  }

  _flush(done) {
    this.#release();
    done();
  }

  #release() {
    if (this.#bytes) this.push(Buffer.concat(this.#held));
    this.#held = [];
    this.#bytes = 0;
  }
}

class Coalescer extends Transform {
  #held = [];
  #timer;

  _transform(piece, _, done) {
    this.#held.push(piece);
    this.#timer ??= setTimeout(() => this.#release(), COALESCE_MS);
    done();
  }

  _flush(done) {
    this.#release();
    done();
  }

  _destroy(error, done) {
    clearTimeout(this.#timer);
    done(error);
  }

  #release() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#held.length) this.push(Buffer.concat(this.#held.splice(0)));
  }
}
