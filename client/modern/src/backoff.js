// How long to wait before the next attempt: twice as long each time, up to a bound, and not all clients at once.

export class Backoff {
  constructor({ min, max, jitter }) {
    this.min = min;
    this.max = max;
    /** 0 to 1: how much a delay varies, to both sides. */
    this.jitter = jitter;
    this.attempts = 0;
  }

  next() {
    const delay = this.min * 2 ** this.attempts++;
    const spread = 1 + this.jitter * (2 * Math.random() - 1);
    return Math.floor(Math.min(delay * spread, this.max));
  }

  reset() {
    this.attempts = 0;
  }
}
