// Polling by XMLHttpRequest.

import { Polling } from './polling.js';

export class XHR extends Polling {
  request({ method, url, body }, done, failed) {
    const { extraHeaders = {}, withCredentials, requestTimeout } = this.opts;
    const request = new XMLHttpRequest();
    request.open(method, url, true);
    for (const name of Object.keys(extraHeaders)) request.setRequestHeader(name, extraHeaders[name]);
    if (body !== undefined) request.setRequestHeader('Content-Type', 'text/plain;charset=UTF-8');
    request.withCredentials = Boolean(withCredentials);
    if (requestTimeout) request.timeout = requestTimeout;
    request.onload = () => (request.status === 200 ? done(request.responseText) : failed(request.status, request));
    request.onerror = () => failed(request.status, request);
    request.ontimeout = () => failed('timeout', request);
    request.send(body);
    return () => request.abort();
  }
}
