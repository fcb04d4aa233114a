// Polling: one request after another. The server answers each as soon as it has packets.

// `get` and `post` are request functions: see requests/task.js.
function pollingTransport(get, post) {
  return function (engine, owner, name) {
    var transport = postingTransport(engine, owner, name, post), slot;
    if (get === scriptRequest) {
      root.___eio = root.___eio || [];
      transport.extraQuery = '&j=' + (slot = root.___eio.push(nothing) - 1);
    }
    transport.receive = function () {
      var ms = engine.id ? engine.patience() + 5000 :
        engine.manager.opts.timeout / (transport.extraQuery ? 2 : 1);
      transport.stop = get(engine, engine.url(transport), null, ms, function (error, text) {
        transport.stop = null;
        if (transport.closed) return;
        if (error) return owner.fail(error);
        var packets = ('' + text).split('\x1e'), i;
        for (i = 0; i < packets.length && !transport.closed; i++) {
          if (!/^[0-6b]/.test(packets[i])) return owner.fail(garbledError());
          owner.packet(packets[i]);
        }
        if (!transport.paused && !transport.closed && !engine.finish) transport.receive();
      }, slot);
    };
    return transport;
  };
}
