// Reacts to events of the page's life: online again, visible again, unloaded.

// Finds sessions that timed out while timers were stopped.
function checkSessions() {
  for (var i = 0, engine; i < managers.length; i++) {
    if ((engine = managers[i].engine) && engine.id) engine.check();
  }
}

// The network may be another one now, so transports in quarantine get a new chance at once.
function startAfresh() {
  var i, manager;
  records = {};
  checkSessions();
  for (i = 0; i < managers.length; i++) {
    manager = managers[i];
    manager.retryNow();
    if (manager.engine) manager.engine.upgrade();
  }
}

listen(root, 'online', startAfresh);
listen(root, 'pageshow', function (event) { if (event.persisted) startAfresh(); });
listen(doc, 'visibilitychange', checkSessions);

// Old Internet Explorer leaks connections of a page that was left.
if (root.attachEvent) root.attachEvent('onunload', function () {
  for (var i = 0; i < managers.length; i++) managers[i].close();
});
