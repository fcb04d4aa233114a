// The one place that knows how the generations of the client differ. The function is self-contained and of ES5, because
// its source goes into pages, and into the old Nodes that old clients need.

/**
 * Opens one socket with `io`, a published build of the client, and returns a handle that is the same for all of them.
 *
 * `spec.wire` is `upgrade` (polling first, then WebSocket), or the one transport to use, in the vocabulary of 0.9.
 * `spec.tls` are options of TLS, for Node; 0.9 does not take any.
 * `spec.path` is that of the engine; `spec.options` are more options of the client, of 1.0 and later.
 * `spec.delay` is the one before it connects again, in milliseconds; 0.9 only.
 * `spec.lost` has the session of its first handshake gone before it asks for it; 0.9 only.
 * `spec.shares` is another handle, whose connection is used for one more namespace.
 * `report(event, args)` hears every event of `spec.events`, and what the client says about the connection.
 * Events of `spec.echoes` are acknowledged with their own arguments.
 */
export function openClient(io, spec, report) {
  var wire = spec.wire;
  var namespace = spec.namespace || '/';
  return /^0\./.test(spec.generation) ? openFirst() : openLater();

  function openFirst() {
    io.transports = wire.split(','); // the option of that name would be merged by index into the default list
    var first = {
      'force new connection': true,
      'try multiple transports': true,
      'connect timeout': spec.connectTimeout || 10000,
      'reconnection delay': spec.delay || 50,
      'reconnection limit': spec.delay || 400,
      'max reconnection attempts': spec.maxAttempts || 1000,
      reconnect: !!spec.reconnect,
    };
    if (spec.path) first.resource = spec.path.slice(1);
    var socket = io.connect(spec.url + namespace + (spec.query ? '?' + new URLSearchParams(spec.query) : ''), first);
    if (spec.lost) {
      var getTransport = socket.socket.getTransport;
      socket.socket.getTransport = function () {
        delete this.getTransport;
        this.sessionid = 'forgotten';
        return getTransport.apply(this, arguments);
      };
    }
    listen(socket, ['connect', 'disconnect', 'error', 'connect_failed', 'reconnect', 'reconnecting']);
    socket.socket.on('error', function () {}); // Node would end the process
    socket.socket.on('connect_failed', function () {
      // With no transport that the server has, too, it waits for heartbeats all the same, and throws when none came.
      if (!socket.socket.transport) clearTimeout(socket.socket.heartbeatTimeoutTimer);
    });
    return handle(socket, {
      transport: function () {
        return socket.socket.transport && socket.socket.transport.name;
      },
      id: function () {
        return socket.socket.sessionid;
      },
      returns: function () {
        return socket.socket.reconnecting === true;
      },
      idle: function () {
        return !socket.socket.doBuffer && !socket.socket.buffer.length;
      },
      forgetSession: function () {
        socket.socket.transport.sessid = socket.socket.sessionid = 'forgotten';
      },
    });
  }

  function openLater() {
    var polling = wire === 'xhr-polling' || wire === 'jsonp-polling';
    var settings = extend(extend({ query: spec.query, auth: spec.auth }, spec.tls), spec.options);
    if (spec.path) settings.path = spec.path;
    var socket = spec.shares
      ? spec.shares.manager.socket(namespace, settings)
      : io(
          spec.url + namespace,
          extend(settings, {
            forceNew: true,
            multiplex: false,
            transports: wire === 'upgrade' ? ['polling', 'websocket'] : [polling ? 'polling' : wire],
            forceJSONP: wire === 'jsonp-polling',
            reconnection: !!spec.reconnect,
            reconnectionDelay: 50,
            reconnectionDelayMax: 400,
          })
        );
    var manager = socket.io;
    var watched;
    function watchEngine() {
      if (!manager.engine || manager.engine === watched) return;
      watched = manager.engine;
      watched.on('upgrade', function (transport) {
        report('upgrade', [transport.name]);
      });
      watched.on('upgradeError', function () {
        report('upgrade failed', []);
      });
    }
    manager.on('open', watchEngine);
    watchEngine();
    listen(socket, ['connect', 'disconnect', 'error', 'connect_error']);
    return handle(socket, {
      manager: manager,
      transport: function () {
        var transport = manager.engine && manager.engine.transport;
        if (!transport || transport.name !== 'polling') return transport && transport.name;
        return 'index' in transport ? 'jsonp-polling' : 'xhr-polling';
      },
      id: function () {
        return manager.engine && manager.engine.id;
      },
      idle: function () {
        return !manager.engine.writeBuffer.length;
      },
      forgetSession: function () {
        manager.engine.transport.query.sid = manager.engine.id = 'forgotten';
      },
    });
  }

  function listen(socket, lifeEvents) {
    lifeEvents.forEach(function (name) {
      socket.on(name, function () {
        report(name, list(arguments).slice(0, 1).map(plain));
      });
    });
    (spec.events || []).forEach(function (name) {
      socket.on(name, function () {
        report(name, list(arguments));
      });
    });
    (spec.echoes || []).forEach(function (name) {
      socket.on(name, function () {
        var args = list(arguments);
        var acknowledge = args.pop();
        report(name, args);
        acknowledge.apply(null, args);
      });
    });
  }

  function plain(value) {
    return value instanceof Error ? { message: value.message, data: value.data } : value;
  }

  function list(given) {
    return Array.prototype.slice.call(given);
  }

  function extend(target, source) {
    for (var key in source) target[key] = source[key];
    return target;
  }

  function handle(socket, rest) {
    return extend(rest, {
      emit: function (name, calls) {
        calls.forEach(function (args) {
          socket.emit.apply(socket, [name].concat(args));
        });
      },
      call: function (name, args) {
        return new Promise(function (resolve) {
          socket.emit.apply(
            socket,
            [name].concat(args, function (_) {
              resolve(list(arguments)); // the first clients ask for data only if the function has a parameter
            })
          );
        });
      },
      disconnect: function () {
        return socket.disconnect();
      },
    });
  }
}
