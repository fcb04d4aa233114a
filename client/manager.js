// The connection to one server, which the sockets of all namespaces share. The manager opens it,
// reopens it when it is lost, and hands each packet to its socket.

var managers = [];

function Manager(base, path, query, opts) {
  var manager = this, key;
  manager.opts = {
    reconnection: true, reconnectionAttempts: Infinity, reconnectionDelay: 1000,
    reconnectionDelayMax: 5000, randomizationFactor: 0.5, timeout: 20000, autoConnect: true,
    upgrade: true
  };
  for (key in opts) if (opts[key] !== undefined) manager.opts[key] = opts[key];
  manager.base = base;
  manager.path = path;
  manager.query = query;
  // The scheme of a server of another origin, or '' for the page's own.
  manager.crossScheme = base === loc.protocol + '//' + loc.host ? '' : base.replace(/\/.*/, '');
  manager.nsps = {};
  manager.entries = [];
  manager.born = now();
  manager.attempts = manager.nextAt = 0;
  manager.readyState = 'closed';
  manager.setPolicy(POLICY);
  managers.push(manager);
}

Manager.prototype = new Emitter();

extend(Manager, {
  // Tries one transport after another until a session opens.
  open: function () {
    var manager = this, tried = {}, failed = [], reason;
    if (manager.readyState !== 'closed') return manager;
    clearTimeout(manager.retryTimer);
    manager.nextAt = 0;
    manager.readyState = 'opening';
    (function next(error) {
      var order = manager.startOrder(), name, engine, i = 0;
      while (tried[name = order[i]]) i++;
      // If a transport that has worked fails now, the server is probably down. So two of three
      // attempts try no other.
      if (manager.lastGood && manager.attempts % 3) {
        name = error ? null : includes(order, manager.lastGood) ? manager.lastGood : name;
      }
      // A server that rejects this client does so on every transport.
      if (error && error.code === 'forbidden') name = !(reason = error);
      if (!name) return manager.failed(reason || error || unsupportedError());
      tried[name] = true;
      engine = manager.engine = new Engine(manager);
      engine.start(name, function (error) {
        if (manager.engine !== engine) return;
        if (error) {
          manager.log(name, 'open', engine.since, error);
          if (error.code !== 'refused') {
            // The first error says most, because the surest transport is tried first.
            reason = reason || error;
            failed.push(name);
          }
          return next(error);
        }
        // The server is up, so the transports themselves are at fault.
        while (failed.length) manager.quarantine(failed.pop());
        manager.lastGood = name;
        manager.opened();
      });
    })();
    return manager;
  },

  // The socket of a namespace.
  socket: function (nsp, opts) {
    return this.nsps[nsp] = this.nsps[nsp] || new Socket(this, nsp, opts || {});
  },

  // Calls `fn` for each active socket; returns whether there is one.
  eachActive: function (fn) {
    var nsp, any = false;
    for (nsp in this.nsps) if (this.nsps[nsp].active) {
      any = true;
      fn(this.nsps[nsp]);
    }
    return any;
  },

  // Fires an event on the manager and on all active sockets.
  fireAll: function () {
    var args = arguments;
    this.fire.apply(this, args);
    this.eachActive(function (socket) { socket.fire.apply(socket, args); });
  },

  opened: function () {
    var manager = this, again = manager.retrying;
    manager.readyState = 'open';
    manager.partial = manager.retrying = null;
    manager.fire('open');
    if (again) manager.fireAll('reconnect', manager.attempts);
    manager.eachActive(function (socket) { socket.join(); });
  },

  failed: function (error) {
    var manager = this;
    manager.readyState = 'closed';
    manager.engine = null;
    manager.fireAll('connect_error', error);
    if (manager.retrying) manager.fireAll('reconnect_error', error);
    manager.retry();
  },

  lost: function (error, engine) {
    var manager = this, item;
    var why = { ping: 'ping timeout', garbled: 'parse error' }[error.code] || 'transport close';
    if (manager.engine !== engine) return;
    manager.readyState = 'closed';
    manager.engine = null;
    // Packets that were never sent wait for the next session.
    while ((item = engine.queue.pop())) {
      if (item.socket && item.socket.active) item.socket.sendBuffer.unshift(item);
    }
    manager.fire('close', why, error);
    manager.eachActive(function (socket) { socket.dropped(why, error); });
    manager.retry(engine.reopenAtOnce);
  },

  // Schedules the next attempt. The delay doubles each time.
  retry: function (atOnce) {
    var manager = this, opts = manager.opts, max = opts.reconnectionDelayMax;
    var ms = Math.min(max, opts.reconnectionDelay * Math.pow(2, manager.attempts));
    if (!opts.reconnection || manager.readyState !== 'closed') return;
    if (!manager.eachActive(nothing)) return;
    if (manager.attempts >= opts.reconnectionAttempts) {
      manager.attempts = 0;
      manager.retrying = false;
      return manager.fireAll('reconnect_failed');
    }
    ms = atOnce ? 0 : Math.min(max, ms * (1 + (Math.random() * 2 - 1) * opts.randomizationFactor));
    manager.retrying = true;
    manager.nextAt = now() + ms;
    manager.retryTimer = setTimeout(function () { manager.retryNow(); }, ms);
    manager.fire('waiting', manager.nextAt);
  },

  // Makes the scheduled attempt now, if there is one.
  retryNow: function () {
    var manager = this;
    clearTimeout(manager.retryTimer);
    if (!manager.nextAt) return;
    manager.nextAt = 0;
    manager.attempts++;
    manager.fireAll('reconnect_attempt', manager.attempts);
    manager.fireAll('reconnecting', manager.attempts);
    // A listener may have disconnected the last active socket.
    if (manager.eachActive(nothing)) manager.open();
  },

  close: function () {
    var manager = this, engine = manager.engine;
    clearTimeout(manager.retryTimer);
    manager.nextAt = 0;
    manager.retrying = manager.engine = null;
    manager.readyState = 'closed';
    manager.eachActive(function (socket) { socket.dropped('io client disconnect'); });
    if (engine) engine.close();
  },

  // Called by the engine with the text of a packet.
  text: function (text) {
    if (this.partial) throw garbledError();
    text = decode(text);
    if (text.needed) this.partial = text; else this.route(text);
  },

  // Called by the engine with the next binary part of that packet.
  binary: function (part) {
    var packet = this.partial;
    packet.found.push(part);
    if (packet.found.length < packet.needed) return;
    this.partial = null;
    packet.data = putBinary(packet.data, packet.found);
    this.route(packet);
  },

  route: function (packet) {
    var socket = this.nsps[packet.nsp];
    if (socket) socket.receive(packet);
    // A server that accepts any namespace has accepted that of the trial.
    else if (!packet.type) this.engine.send(encode(DISCONNECT, packet.nsp));
  }
});

Manager.prototype.connect = Manager.prototype.open;
