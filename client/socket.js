// A socket: the page's end of one namespace.

function Socket(manager, nsp, opts) {
  this.io = manager;
  this.nsp = nsp;
  this.auth = opts.auth;
  // `active` is whether the page wants it to be connected.
  this.connected = this.active = false;
  this.disconnected = true;
  // Events emitted without a connection: { frames, id }.
  this.sendBuffer = [];
  this.acks = {};
  this.nextAckId = 0;
}

Socket.prototype = new Emitter();

extend(Socket, {
  connect: function () {
    var socket = this, manager = socket.io, wasActive = socket.active;
    socket.active = true;
    if (manager.nextAt) manager.retryNow();
    else if (manager.readyState !== 'open') manager.open();
    else if (!wasActive) socket.join();
    return socket;
  },

  // Asks the server to connect the namespace.
  join: function () {
    var socket = this, engine = socket.io.engine;
    function go(data) {
      if (socket.io.engine === engine && socket.active) {
        engine.send(encode(CONNECT, socket.nsp, data));
      }
    }
    if (typeof socket.auth === 'function') socket.auth(go); else go(socket.auth);
  },

  emit: function (name) {
    var socket = this, args = toArray(arguments), ms = socket.ackTimeout, id, timer, fn, frames;
    if (/^((dis)?connect(_error|ing)?|(new|remove)Listener)$/.test(name)) {
      throw new Error('reserved: ' + name);
    }
    socket.ackTimeout = 0;
    if (typeof args[args.length - 1] === 'function') {
      fn = args.pop();
      id = socket.nextAckId++;
      socket.acks[id] = function () {
        clearTimeout(timer);
        fn.apply(socket, (ms ? [null] : []).concat(toArray(arguments)));
      };
      if (ms) timer = setTimeout(function () {
        delete socket.acks[id];
        fn.call(socket, timeoutError());
      }, ms);
    }
    frames = encode(EVENT, socket.nsp, args, id);
    if (socket.connected) socket.io.engine.send(frames, socket, id);
    else socket.sendBuffer.push({ frames: frames, id: id });
    return socket;
  },

  send: function () { return this.emit.apply(this, ['message'].concat(toArray(arguments))); },

  // Limits the wait for the acknowledgement of the next emit(), whose function gets an error or
  // null first.
  timeout: function (ms) {
    this.ackTimeout = ms;
    return this;
  },

  receive: function (packet) {
    var socket = this, data = packet.data, ack, waiting, item;
    if (!socket.active) return;
    if (packet.type === CONNECT) {
      if (!data.sid) return socket.refused(garbledError());
      socket.id = data.sid;
      socket.connected = true;
      socket.disconnected = false;
      socket.io.attempts = 0;
      waiting = socket.sendBuffer;
      socket.sendBuffer = [];
      while ((item = waiting.shift())) socket.io.engine.send(item.frames, socket, item.id);
      socket.fire('connect');
    } else if (packet.type === DISCONNECT) socket.leave('io server disconnect');
    else if (packet.type === CONNECT_ERROR) socket.refused(data);
    else if (packet.type === ACK) {
      ack = socket.acks[packet.id];
      delete socket.acks[packet.id];
      if (ack) callSafely(ack, socket, data);
    } else if (socket.connected) socket.deliver(packet);
  },

  // Called when the server refuses the namespace.
  refused: function (data) {
    var error = makeError('forbidden', data.message);
    error.data = data.data;
    this.active = false;
    this.fire('connect_error', error);
    if (!this.io.eachActive(nothing)) this.io.close();
  },

  // Fires an event from the server. If the server wants an acknowledgement, the listeners get a
  // function that sends it once.
  deliver: function (packet) {
    var socket = this, engine = socket.io.engine, open = packet.id;
    if (open) packet.data.push(function () {
      if (open && socket.io.engine === engine) {
        engine.send(encode(ACK, socket.nsp, toArray(arguments), packet.id));
      }
      open = 0;
    });
    socket.fire.apply(socket, packet.data);
  },

  // Called when the connection is lost or given up.
  dropped: function (why, error) {
    var socket = this, kept = {}, i, id, wasConnected = socket.connected;
    socket.connected = false;
    socket.disconnected = true;
    socket.id = undefined;
    // Only events that are still to be sent can be acknowledged.
    for (i = 0; i < socket.sendBuffer.length; i++) {
      id = socket.sendBuffer[i].id;
      kept[id] = socket.acks[id];
    }
    socket.acks = kept;
    if (!wasConnected) return;
    socket.fire('disconnect', why, error && { description: error.message, code: error.code });
  },

  disconnect: function () {
    if (this.connected) this.io.engine.send(encode(DISCONNECT, this.nsp));
    return this.leave('io client disconnect');
  },

  leave: function (why) {
    this.active = false;
    this.dropped(why);
    if (!this.io.eachActive(nothing)) this.io.close();
    return this;
  }
});

Socket.prototype.open = Socket.prototype.connect;
Socket.prototype.close = Socket.prototype.disconnect;
