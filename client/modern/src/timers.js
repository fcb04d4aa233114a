// Timers: those of the page, which it may have replaced, or with `useNativeTimers` those of the platform.

import { root } from './root.js';

const native = { set: root.setTimeout, clear: root.clearTimeout };

export class Timers {
  constructor({ useNativeTimers, autoUnref }) {
    this._native = useNativeTimers;
    this._unref = autoUnref;
  }

  set(action, ms) {
    const timer = (this._native ? native.set : root.setTimeout).call(root, action, ms);
    // Node ends although this timer is set.
    if (this._unref && timer.unref) timer.unref();
    return timer;
  }

  clear(timer) {
    (this._native ? native.clear : root.clearTimeout).call(root, timer);
  }
}

/** Calls `action` when the code that runs now has returned. */
export function soon(action) {
  Promise.resolve().then(action);
}
