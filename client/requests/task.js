// What requests of any kind have in common. Each of the other files here has one kind, as a
// function (engine, url, body, ms, done, slot). It sends the request, calls done(error) or
// done(null, text) once, and returns a function that cancels the request. Only scripts use `slot`.

// Returns end(): end(error) and end(null, text) finish the task and call `done`, end() cancels it.
// `cleanUp` runs once in each case. The task times out after `ms`.
function startTask(ms, done, cleanUp) {
  var timer = setTimeout(function () { end(timeoutError()); }, ms);
  function end(error, text) {
    if (!timer) return;
    clearTimeout(timer);
    // Must precede cleanUp(): abort() may report readyState 4, which calls end() again.
    timer = 0;
    cleanUp();
    if (error !== undefined) done(error, text);
  }
  return end;
}

// Returns the error for an answer other than 200. No status means that there was no answer.
function httpError(status, text) {
  var body, error;
  if (!status) return makeError('unreachable', 'no answer from the server');
  try { body = parseJson(text); } catch (x) {}
  body = body || {};
  error = makeError(
    body.code === 0 ? 'refused' : body.code === 1 ? 'expired' :
      body.code === 4 ? 'forbidden' : 'http',
    body.reason || body.message || 'HTTP ' + status,
    status
  );
  error.allowed = body.allowed;
  error.refusal = body.refusal;
  return error;
}
