// The one place that knows how the generations of the client differ. The function is self-contained, because the
// browser tests put its source into a page.

/**
 * Opens one socket with `io`, a published build of the client, and returns a handle that is the same for all of them.
 *
 * `spec.wire` is `upgrade` (polling first, then WebSocket), or the one transport to use, in the vocabulary of 0.9.
 * `spec.tls` are options of TLS, for Node; 0.9 does not take any.
 * `spec.path` is that of the engine; `spec.options` are more options of the client, of 1.0 and later.
 * `spec.lost` has the session of its first handshake gone before it asks for it; 0.9 only.
 * `spec.shares` is another handle, whose connection is used for one more namespace.
 * `report(event, args)` hears every event of `spec.events`, and what the client says about the connection.
 * Events of `spec.echoes` are acknowledged with their own arguments.
 */
export function openClient(io, spec, report) {
  const { url, generation, wire, namespace = '/', query, auth, events = [], echoes = [], reconnect = false, tls, shares, path, options } = spec;
  return generation.startsWith('0.') ? openFirst() : openLater();

  function openFirst() {
    io.transports = wire.split(','); // the option of that name would be merged by index into the default list
    const socket = io.connect(url + namespace + (query ? `?${new URLSearchParams(query)}` : ''), {
      'force new connection': true,
      'try multiple transports': true,
      'connect timeout': spec.connectTimeout ?? 10000,
      'reconnection delay': 50,
      'reconnection limit': 400,
      'max reconnection attempts': spec.maxAttempts ?? 1000,
      reconnect,
      ...(path && { resource: path.slice(1) }),
    });
    if (spec.lost) {
      const { getTransport } = socket.socket;
      socket.socket.getTransport = function (...names) {
        delete this.getTransport;
        this.sessionid = 'forgotten';
        return getTransport.apply(this, names);
      };
    }
    listen(socket, ['connect', 'disconnect', 'error', 'connect_failed', 'reconnect', 'reconnecting']);
    return handle(socket, {
      transport: () => socket.socket.transport?.name,
      id: () => socket.socket.sessionid,
      returns: () => socket.socket.reconnecting === true,
      forgetSession: () => (socket.socket.transport.sessid = socket.socket.sessionid = 'forgotten'),
    });
  }

  function openLater() {
    const polling = wire === 'xhr-polling' || wire === 'jsonp-polling';
    const settings = { query, auth, ...tls, ...(path && { path }), ...options };
    const socket = shares
      ? shares.manager.socket(namespace, settings)
      : io(url + namespace, {
          ...settings,
          forceNew: true,
          multiplex: false,
          transports: wire === 'upgrade' ? ['polling', 'websocket'] : [polling ? 'polling' : wire],
          forceJSONP: wire === 'jsonp-polling',
          reconnection: reconnect,
          reconnectionDelay: 50,
          reconnectionDelayMax: 400,
        });
    const manager = socket.io;
    let watched;
    const watchEngine = () => {
      if (!manager.engine || manager.engine === watched) return;
      watched = manager.engine;
      watched.on('upgrade', (transport) => report('upgrade', [transport.name]));
      watched.on('upgradeError', () => report('upgrade failed', []));
    };
    manager.on('open', watchEngine);
    watchEngine();
    listen(socket, ['connect', 'disconnect', 'error', 'connect_error']);
    return handle(socket, {
      manager,
      transport: () => {
        const transport = manager.engine?.transport;
        return transport?.name !== 'polling' ? transport?.name : 'index' in transport ? 'jsonp-polling' : 'xhr-polling';
      },
      id: () => manager.engine?.id,
      forgetSession: () => (manager.engine.transport.query.sid = manager.engine.id = 'forgotten'),
    });
  }

  function listen(socket, lifeEvents) {
    for (const name of lifeEvents) socket.on(name, (...args) => report(name, args.slice(0, 1).map(plain)));
    for (const name of events) socket.on(name, (...args) => report(name, args));
    for (const name of echoes) {
      socket.on(name, (...args) => {
        const acknowledge = args.pop();
        report(name, args);
        acknowledge(...args);
      });
    }
  }

  function plain(value) {
    return value instanceof Error ? { message: value.message, data: value.data } : value;
  }

  function handle(socket, rest) {
    return {
      ...rest,
      emit(name, calls) {
        for (const args of calls) socket.emit(name, ...args);
      },
      call: (name, args) => new Promise((resolve) => socket.emit(name, ...args, (...answer) => resolve(answer))),
      disconnect: () => socket.disconnect(),
    };
  }
}
