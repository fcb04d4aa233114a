// Event listeners, for sockets, managers and engines.

function Emitter() {}

// The '$' in front of names lets `constructor` and the like be event names.
extend(Emitter, {
  on: function (name, fn) {
    var all = this._listeners = this._listeners || {};
    all['$' + name] = this.listeners(name).concat(fn);
    return this;
  },

  once: function (name, fn) {
    function wrapper() {
      this.off(name, wrapper);
      fn.apply(this, arguments);
    }
    wrapper.fn = fn;
    return this.on(name, wrapper);
  },

  // Removes a listener; without `fn` all listeners of that name, without a name all listeners.
  off: function (name, fn) {
    var kept = [], all = this.listeners(name), i;
    for (i = 0; fn && i < all.length; i++) if (all[i] !== fn && all[i].fn !== fn) kept.push(all[i]);
    if (name === undefined) this._listeners = {};
    else if (this._listeners) this._listeners['$' + name] = kept;
    return this;
  },

  listeners: function (name) { return this._listeners && this._listeners['$' + name] || []; },

  // Calls the listeners. Sockets have an `emit` of their own, which sends the event instead.
  fire: function (name) {
    var all = this.listeners(name), args = toArray(arguments).slice(1), i;
    for (i = 0; i < all.length; i++) {
      callSafely(all[i], this, args);
    }
  }
});

Emitter.prototype.emit = Emitter.prototype.fire;
Emitter.prototype.removeListener = Emitter.prototype.removeAllListeners = Emitter.prototype.off;

// An error in a listener reaches the browser's console, but does not stop the connection.
function callSafely(fn, self, args) {
  try { fn.apply(self, args); } catch (error) { soon(function () { throw error; }); }
}

function extend(Class, methods) {
  for (var name in methods) Class.prototype[name] = methods[name];
}
