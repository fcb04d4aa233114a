// With the option `retries`, events go one after the other: the next when the server has acknowledged the last, and again
// if it does not.

export class Retries {
  constructor(socket) {
    this._socket = socket;
    /** What is not acknowledged yet; the first is under way. */
    this.queue = [];
  }

  /** `args` are an event's name and arguments, with a function for its acknowledgement if there is one. */
  add(args, flags) {
    const told = typeof args[args.length - 1] === 'function' ? args.pop() : undefined;
    const entry = { args, flags: { ...flags, queued: true }, tries: 0, pending: false };
    entry.answered = (error, ...answer) => {
      if (this.queue[0] !== entry) return;
      entry.pending = false;
      if (!error || entry.tries > this._socket._opts.retries) {
        this.queue.shift();
        if (told) told(error, ...answer);
      }
      this.next();
    };
    entry.answered.withError = true;
    this.queue.push(entry);
    this.next();
  }

  /** Sends the first. `again`: though it was sent, because the connection is another one. */
  next(again = false) {
    const [entry] = this.queue;
    if (!entry || !this._socket.connected || (entry.pending && !again)) return;
    entry.pending = true;
    entry.tries++;
    this._socket.flags = { ...entry.flags };
    this._socket.emit(...entry.args, entry.answered);
  }
}
