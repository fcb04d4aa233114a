// GET requests by a script element, which works for any origin. The answer is a script that calls
// the function in its slot of the global `___eio`.

function scriptRequest(engine, url, body, ms, done, slot) {
  var script = doc.createElement('script');
  var end = startTask(ms, done, function () {
    root.___eio[slot] = script.onload = script.onerror = script.onreadystatechange = nothing;
    remove(script);
  });
  root.___eio[slot] = function (text) { end(null, text); };
  script.onerror = function () { end(httpError()); };
  // An error page calls no function. Internet Explorer reports a script as loaded before it runs
  // it, so the call may still come.
  script.onload = script.onreadystatechange = function () {
    if (!script.readyState || /loaded|complete/.test(script.readyState)) {
      setTimeout(function () {
        end(makeError('http', 'an error page instead of a script'));
      }, 1000);
    }
  };
  script.src = url;
  doc.getElementsByTagName('head')[0].appendChild(script);
  return end;
}
