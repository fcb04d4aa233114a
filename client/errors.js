// Errors carry a code for programs, a message for people and, if HTTP caused them, its status.

function makeError(code, message, status) {
  var error = new Error(message);
  error.code = code;
  error.status = status;
  return error;
}

function garbledError() {
  return makeError('garbled', 'not an answer of this server (a proxy or sign-in page?)');
}

function timeoutError() { return makeError('timeout', 'no answer in time'); }

function silentError() {
  return makeError('silent', 'nothing comes through (held back on the way?)');
}

function cutError() { return makeError('cut', 'the stream broke'); }

function unsupportedError() {
  return makeError('unsupported', 'this browser cannot do it here');
}
