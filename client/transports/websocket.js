// WebSocket: one connection for both directions.

function webSocketTransport(engine, owner, name) {
  var socket, closed, timer = setTimeout(function () { fail(timeoutError()); }, OPEN_MS);
  var transport = {
    name: name, form: name, free: true,

    send: function (frames) {
      try {
        for (var i = 0; i < frames.length; i++) socket.send(frames[i]);
      } catch (x) { soon(broken); }
    },

    close: function () {
      closed = true;
      clearTimeout(timer);
      if (socket) try { socket.close(); } catch (x) {}
    }
  };
  function fail(error) {
    if (closed) return;
    transport.close();
    owner.fail(error);
  }
  function broken(event) {
    fail(makeError(
      event && event.wasClean ? 'closed' : 'cut',
      'the connection broke (' + (event && event.code || '-') + ')'
    ));
  }
  try {
    socket = new root.WebSocket(engine.url(transport));
    socket.binaryType = 'arraybuffer';
    socket.onopen = function () {
      clearTimeout(timer);
      if (!closed) owner.ready();
    };
    socket.onmessage = function (event) { if (!closed) owner.packet(event.data); };
    socket.onclose = broken;
    // The close event says more, so it gets a chance to come first.
    socket.onerror = function () { setTimeout(broken, 50); };
  } catch (ex) { soon(function () { fail(makeError('unsupported', ex.message)); }); }
  return transport;
}
