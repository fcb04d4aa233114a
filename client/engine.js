// A session of Engine.IO 4. It opens on one transport, and may move to a better one (upgrade.js).
// It hands incoming messages to its manager.

function Engine(manager) {
  this.manager = manager;
  // The session id, once the server has given one.
  this.id = '';
  // Packets that wait to be sent: { frames, socket, id }. Only events have a socket, and an id if
  // they ask for an acknowledgement.
  this.queue = [];
  this.readyState = 'opening';
}

Engine.prototype = new Emitter();

extend(Engine, {
  url: function (transport) {
    var manager = this.manager, isWebSocket = transport.name === 'websocket';
    return (isWebSocket ? manager.base.replace('http', 'ws') : manager.base) + manager.path + '?' +
      manager.query + 'EIO=4&transport=' + transport.name + (transport.extraQuery || '') +
      (this.id ? '&sid=' + encodeURIComponent(this.id) : '&client=parlance') +
      (isWebSocket ? '' : '&t=' + now().toString(36) + (++serial).toString(36));
  },

  // The longest time without a packet from the server, in ms.
  patience: function () { return this.pingInterval + this.pingTimeout; },

  // Opens the session on that transport; calls done(), or done(error) if that fails.
  start: function (name, done) {
    var engine = this;
    engine.since = now();
    engine.transport = transports[name](engine, {
      ready: nothing,

      packet: function (packet) {
        var handshake;
        if (engine.id) return engine.receive(packet);
        try { handshake = parseJson(packet.slice(1)); } catch (x) {}
        if (!handshake) return this.fail(garbledError());
        engine.id = handshake.sid;
        engine.upgrades = handshake.upgrades;
        engine.pingInterval = handshake.pingInterval;
        engine.pingTimeout = handshake.pingTimeout;
        engine.maxPayload = handshake.maxPayload || Infinity;
        engine.readyState = 'open';
        engine.manager.log(name, 'open', engine.since);
        engine.watch();
        done();
        engine.upgrade();
      },

      drain: function () { engine.flush(); },

      fail: function (error) {
        if (engine.id) return engine.lost(error);
        engine.stop();
        done(error);
      }
    }, name);
  },

  send: function (frames, socket, id) {
    this.queue.push({ frames: frames, socket: socket, id: id });
    this.flush();
  },

  // Sends the queue; by POST only as much at once as the server accepts. Sends nothing while the
  // session moves to another transport (`corked`) or tries it out: packets could get lost there.
  flush: function () {
    var engine = this, frames = [], size = 0, item, i;
    if (engine.readyState !== 'open' || !engine.transport.free) return;
    if (engine.endTrial || engine.corked) return;
    while ((item = engine.queue[0])) {
      for (i = 0; engine.transport.posts && i < item.frames.length; i++) {
        size += sizeOnWire(item.frames[i]);
      }
      if (frames.length && size > engine.maxPayload) break;
      frames = frames.concat(engine.queue.shift().frames);
    }
    if (frames.length) engine.transport.send(frames);
    if (engine.finish && engine.transport.free) engine.finish();
  },

  receive: function (packet) {
    var engine = this, type;
    if (engine.readyState !== 'open' || engine.finish) return;
    engine.heardAt = now();
    if (engine.endTrial) engine.endTrial();
    try {
      if (typeof packet !== 'string') return engine.manager.binary(packet);
      type = packet.charAt(0);
      packet = packet.slice(1);
      if (type === '2') engine.send(['3']);
      else if (type === '4') engine.manager.text(packet);
      else if (type === 'b') engine.manager.binary(fromBase64(packet));
      else if (type === '1') engine.lost(makeError('closed', 'the server ended the session'));
    } catch (x) { engine.lost(makeError('garbled', x.message)); }
  },

  // Ends the session when the server has been silent for too long. Compares clock times, because
  // timers stop while the machine sleeps.
  watch: function () {
    var engine = this;
    engine.heardAt = now();
    (function look() {
      var left = engine.heardAt + engine.patience() - now();
      engine.watchTimer = setTimeout(look, Math.max(1000, left));
      engine.check();
    })();
  },

  check: function () {
    if (now() - this.heardAt >= this.patience()) {
      this.lost(makeError('ping', 'the server fell silent'));
    }
  },

  // Drops the session at once, without any event.
  stop: function () {
    this.readyState = 'closed';
    clearTimeout(this.watchTimer);
    clearTimeout(this.upgradeTimer);
    if (this.probing) this.probing();
    this.transport.close();
  },

  // Called when the session has broken, or the server has ended it.
  lost: function (error) {
    var engine = this, name = engine.transport.form, record = engine.manager.record(name);
    if (engine.readyState !== 'open' || engine.finish) return;
    engine.stop();
    engine.manager.log(name, 'close', engine.since, error);
    if (now() - engine.since > 60000) record.earlyEnds = record.failures = 0;
    else if (error.code === 'cut' && ++record.earlyEnds > 1) {
      record.earlyEnds = 0;
      engine.manager.quarantine(name);
    }
    engine.fire('close', error.code, error);
    engine.manager.lost(error, engine);
  },

  // Ends the session when the queue is sent, or after 2 s.
  close: function () {
    var engine = this;
    engine.finish = function () { engine.stop(); };
    if (engine.readyState !== 'open') return engine.finish();
    engine.manager.log(engine.transport.form, 'close', engine.since);
    setTimeout(engine.finish, 2000);
    if (engine.transport.posts) engine.queue.push({ frames: ['1'] });
    engine.flush();
  }
});

// The bytes of a frame in a POST, rounded up: base64 turns 3 into 4, text is sent as UTF-8.
function sizeOnWire(frame) {
  return 4 + (frame.byteLength * 1.4 || unescape(encodeURIComponent(frame)).length);
}
