// Polling by fetch: for workers, and for programs in engines without XMLHttpRequest.

import { Polling } from './polling.js';

export class Fetch extends Polling {
  get errors() {
    return { GET: 'fetch read error', POST: 'fetch write error' };
  }

  request({ method, url, body }, done, failed) {
    const { extraHeaders, withCredentials } = this.opts;
    const headers = { ...extraHeaders };
    if (body !== undefined) headers['Content-Type'] = 'text/plain;charset=UTF-8';
    let ended = false;
    const stop = typeof AbortController === 'function' ? new AbortController() : undefined;
    // Cookies of the page's own server go in any case, as with XMLHttpRequest.
    const credentials = withCredentials ? 'include' : 'same-origin';
    fetch(url, { method, body, headers, credentials, cache: 'no-store', signal: stop && stop.signal })
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(answer)))
      .then(
        (text) => ended || done(text),
        (error) => ended || failed(error.status || error, error),
      );
    return () => {
      ended = true;
      if (stop) stop.abort();
    };
  }
}
