// Streams: one long response carries many packets. The server ends it after a noop packet ('6'),
// and the client requests the next one.

// Time for WebSockets to open, and for the first bytes of a stream: some browsers and proxies hold
// a response back until it ends.
var OPEN_MS = 5000;
// Consecutive streams that may carry nothing but a noop.
var MAX_IDLE_STREAMS = 5;

// `begin(engine, transport, bytes, packet, lost)` requests a response, and returns a function that
// stops it. It calls bytes() when anything has arrived, packet(p) for each packet, and lost(error).
function streamTransport(begin) {
  return function (engine, owner, name) {
    var transport = postingTransport(engine, owner, name, xhrRequest), idle = 0;
    transport.receive = function () {
      var seen, stop, timer;
      function lost(error) {
        if (transport.closed || !stop) return;
        transport.halt();
        owner.fail(error);
      }
      function bytes() {
        if (!seen) owner.ready();
        seen = true;
      }
      timer = setTimeout(function () { if (!seen) lost(silentError()); }, OPEN_MS);
      transport.stop = function () {
        clearTimeout(timer);
        if (stop) stop();
        stop = null;
      };
      stop = begin(engine, transport, bytes, function (packet) {
        if (!stop) return;
        bytes();
        if (packet !== '6') {
          idle = 0;
          return owner.packet(packet);
        }
        transport.halt();
        if (++idle > MAX_IDLE_STREAMS) owner.fail(cutError());
        else if (!transport.paused) transport.receive();
      }, lost);
    };
    return transport;
  };
}
