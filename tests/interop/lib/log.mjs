// What one client has seen, in order, and a way to wait for more of it.

/** Upper bound of every wait, in milliseconds. Reaching it is a failure, never a pace. */
export const PATIENCE = 60_000;

export class EventLog {
  #owner;
  #entries = [];
  #waiters = new Set();

  constructor(owner) {
    this.#owner = owner;
  }

  push(event, args) {
    this.#entries.push({ event, args });
    for (const waiter of [...this.#waiters]) waiter();
  }

  /** How much has been seen; give it to `until` as `from` to wait for something new. */
  get position() {
    return this.#entries.length;
  }

  /** The arguments of every `event` so far, from position `from` on. */
  all(event, from = 0) {
    return this.#entries.slice(from).filter((entry) => entry.event === event).map((entry) => entry.args);
  }

  /** Resolves with the arguments of the first `event` (a name or several) that `test` accepts, seen already or still to come. */
  until(event, test = () => true, { from = 0, ms = PATIENCE } = {}) {
    const names = [event].flat();
    let next = from;
    const scan = () => {
      while (next < this.#entries.length) {
        const entry = this.#entries[next++];
        if (names.includes(entry.event) && test(...entry.args)) return entry.args;
      }
    };
    const found = scan();
    if (found) return Promise.resolve(found);
    return new Promise((resolve, reject) => {
      const finish = (settle, value) => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        settle(value);
      };
      const waiter = () => {
        const args = scan();
        if (args) finish(resolve, args);
      };
      const timer = setTimeout(() => finish(reject, this.#missing(event, test, ms)), ms);
      this.#waiters.add(waiter);
    });
  }

  #missing(event, test, ms) {
    return new Error(`${this.#owner} waited ${ms} ms in vain for '${[event].flat().join("' or '")}' ${test}\n${this.tail()}`);
  }

  /** For reports: what it saw last. */
  tail() {
    const tail = this.#entries.slice(-8).map((entry) => `  ${entry.event} ${shorten(entry.args)}`);
    return [`it saw ${this.#entries.length} events, at last:`, ...tail].join('\n');
  }
}

function shorten(value) {
  const text = JSON.stringify(value, (_, inner) => (inner instanceof Error ? String(inner) : inner)) ?? String(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
