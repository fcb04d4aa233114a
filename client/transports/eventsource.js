// A stream of server-sent events. The data of each is a packet as a JSON string.

function eventSourceStream(engine, transport, bytes, packet, lost) {
  var source;
  try {
    source = new root.EventSource(engine.url(transport), {
      withCredentials: !!engine.manager.opts.withCredentials
    });
    source.onopen = bytes;
    source.onmessage = function (event) {
      try { event = '' + parseJson(event.data); } catch (x) { return lost(garbledError()); }
      packet(event);
    };
    // The browser would reconnect by itself, but the engine decides that.
    source.onerror = function () { lost(cutError()); };
  } catch (ex) { soon(function () { lost(makeError('unsupported', ex.message)); }); }
  return function () {
    if (source) source.onopen = source.onmessage = source.onerror = nothing, source.close();
  };
}
