// Listeners by the name of their event.

import { root } from './root.js';

/** Has an error reported as uncaught, and lets the caller go on. */
function report(error) {
  if (typeof root.reportError === 'function') root.reportError(error);
  else
    setTimeout(() => {
      throw error;
    });
}

/** Calls each of `listeners`. One that throws keeps nobody else from hearing: its error is reported. */
export function callAll(listeners, context, args) {
  for (const listener of listeners.slice()) {
    try {
      listener.apply(context, args);
    } catch (error) {
      report(error);
    }
  }
}

export class Emitter {
  constructor() {
    this._listeners = new Map();
  }

  on(name, listener) {
    const known = this._listeners.get(name);
    if (known) known.push(listener);
    else this._listeners.set(name, [listener]);
    return this;
  }

  once(name, listener) {
    const once = (...args) => {
      this.off(name, once);
      listener.apply(this, args);
    };
    once.listener = listener;
    return this.on(name, once);
  }

  /** Without a listener: all of that name. Without a name: all. */
  off(name, listener) {
    if (name === undefined) this._listeners.clear();
    else if (listener === undefined) this._listeners.delete(name);
    else {
      const left = this.listeners(name).slice();
      const at = left.findIndex((known) => known === listener || known.listener === listener);
      if (at >= 0) left.splice(at, 1);
      if (left.length) this._listeners.set(name, left);
      else this._listeners.delete(name);
    }
    return this;
  }

  listeners(name) {
    return this._listeners.get(name) || [];
  }

  hasListeners(name) {
    return this.listeners(name).length > 0;
  }

  emit(name, ...args) {
    return this.fire(name, ...args);
  }

  /** Calls the listeners of `name`. Not `emit`, which a `Socket` has for what goes to the server. */
  fire(name, ...args) {
    callAll(this.listeners(name), this, args);
    return this;
  }
}

const { on, off } = Emitter.prototype;
Emitter.prototype.addEventListener = on;
Emitter.prototype.removeListener = off;
Emitter.prototype.removeEventListener = off;
Emitter.prototype.removeAllListeners = off;

/** Listens to several events of `emitter`, and returns what ends that. */
export function listen(emitter, handlers) {
  for (const name of Object.keys(handlers)) emitter.on(name, handlers[name]);
  return () => {
    for (const name of Object.keys(handlers)) emitter.off(name, handlers[name]);
  };
}
