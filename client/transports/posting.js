// The base of all transports but WebSocket: it sends by POST.
//
// A transport is an object that a function (engine, owner, name) makes. It calls its owner's
// methods: ready() when a probe can be sent, packet(p) for each Engine.IO packet, drain() when
// everything is sent, fail(error) when it breaks. Its own members are:
//   name        its name in the protocol: websocket, eventsource, htmlfile or polling
//   form        its name in the settings: polling is xhr-polling or jsonp-polling there
//   free        whether send() may be called
//   posts       whether it sends by POST; sessions upgrade only from such a transport
//   extraQuery  text for the query of its URLs
//   send(frames), close()
// Transports that send by POST also have:
//   receive()   requests packets; polling.js and stream.js add it
//   stop()      cancels that request; null while there is none
//   halt()      does the same, if there is one
//   paused      whether no further request may follow; resume() ends that

// Sends one POST at a time, because two could arrive in the wrong order.
function postingTransport(engine, owner, name, post) {
  var cancel = nothing, transport = {
    name: wireName(name), form: name, free: true, posts: true,

    send: function (frames) {
      var body = [], ms = engine.manager.opts.timeout, i;
      for (i = 0; i < frames.length; i++) {
        body.push(typeof frames[i] === 'string' ? frames[i] : 'b' + toBase64(frames[i]));
      }
      transport.free = false;
      cancel = post(engine, engine.url(transport), body.join('\x1e'), ms, sent);
    },

    resume: function () {
      transport.paused = false;
      if (!transport.stop) transport.receive();
    },

    halt: function () {
      var stop = transport.stop;
      transport.stop = null;
      if (stop) stop();
    },

    close: function () {
      transport.closed = true;
      cancel();
      transport.halt();
    }
  };

  function sent(error) {
    if (transport.closed) return;
    if (error && error.status !== 413) return owner.fail(error);
    // 413: the packets were too large and are lost, but the session goes on.
    if (error) engine.manager.log(name, 'send', 0, error);
    transport.free = true;
    owner.drain();
  }

  soon(function () {
    // Frames and scripts started earlier would delay the page's load event.
    when(name === 'htmlfile' || name === 'jsonp-polling' ? isLoaded : now, function () {
      if (!transport.closed) transport.receive();
    });
  });
  return transport;
}
