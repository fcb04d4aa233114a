// The transports by name, and which of them the browser supports.

// The allowed transports, preferred first. The server writes its policy between the marks.
var POLICY =
  /*transports*/["websocket","eventsource","htmlfile","xhr-polling","jsonp-polling"]/*end*/;

var transports = {
  websocket: webSocketTransport,
  eventsource: streamTransport(eventSourceStream),
  htmlfile: streamTransport(htmlFileStream),
  'xhr-polling': pollingTransport(xhrRequest, xhrRequest),
  'jsonp-polling': pollingTransport(scriptRequest, formRequest)
};

// Whether the browser supports it; with a `crossScheme`, for a server of another origin.
function can(name, crossScheme) {
  if (name === 'websocket') return !!root.WebSocket;
  if (name === 'jsonp-polling') return !!doc;
  return !!(
    name === 'xhr-polling' || name === 'eventsource' && root.EventSource ||
    name === 'htmlfile' && doc && !crossScheme
  ) && !!newXhr(crossScheme);
}

// Its name in the protocol, where both kinds of polling are `polling`.
function wireName(name) { return name.replace(/.*-/, ''); }
