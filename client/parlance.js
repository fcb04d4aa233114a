/*! Parlance client: Engine.IO 4, Socket.IO 5. MIT licence. */
// The frame of the client library. build/pages.rs replaces each `//=` line with the file it names, and
// drops comments and indentation. All files share this function's scope; only `io` leaves it. The
// code is ES3, so that it runs in browsers of any age without a polyfill.
(function (root) {
  //= common.js
  //= errors.js
  //= json.js
  //= binary.js
  //= packets.js
  //= emitter.js
  //= dom.js

  //= requests/task.js
  //= requests/xhr.js
  //= requests/script.js
  //= requests/form.js

  //= transports/posting.js
  //= transports/polling.js
  //= transports/stream.js
  //= transports/eventsource.js
  //= transports/htmlfile.js
  //= transports/websocket.js
  //= transports/table.js

  //= engine.js
  //= upgrade.js
  //= manager.js
  //= selection.js
  //= timeline.js
  //= socket.js
  //= lifecycle.js
  //= io.js
})(typeof window === 'object' ? window : typeof self === 'object' ? self : this);
