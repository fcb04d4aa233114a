// A stream of script elements in a page that loads slowly in a hidden frame. Each of them calls the
// function in its slot of the global `___eios` with a packet.

function htmlFileStream(engine, transport, bytes, packet, lost) {
  var slots = root.___eios = root.___eios || [], slot = slots.push(packet) - 1;
  var activeX, frame, poll;
  transport.extraQuery = '&j=' + slot;
  // Internet Explorer gets a document outside of the page for it: there the frame shows no busy
  // pointer and makes no clicking sound.
  try {
    activeX = new root.ActiveXObject('htmlfile');
    activeX.open();
    activeX.write('<html><body></body></html>');
    activeX.close();
    activeX.parentWindow.___eios = slots;
  } catch (x) { activeX = null; }
  frame = hide((activeX || doc).createElement('iframe'));
  frame.src = engine.url(transport);
  (activeX || doc).body.appendChild(frame);
  function look(ended) {
    var win;
    try {
      win = frame.contentWindow;
      // The frame's page defines this function first, so its first bytes have arrived.
      if (win._) bytes();
      else if (win.location.href === 'about:blank') return;
    } catch (x) {}
    if (ended === 1) lost(cutError());
  }
  frame.onload = frame.onreadystatechange = function () {
    if (!frame.readyState || frame.readyState === 'complete') look(1);
  };
  poll = setInterval(look, 50);
  return function () {
    clearInterval(poll);
    slots[slot] = frame.onload = frame.onreadystatechange = nothing;
    // Not now: this may run in a script of the frame.
    soon(function () {
      try { frame.src = 'about:blank'; } catch (x) {}
      remove(frame);
      activeX = null;
      // Internet Explorer keeps the connection until then.
      if (root.CollectGarbage) root.CollectGarbage();
    });
  };
}
