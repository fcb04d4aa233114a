// Parlance's own client without a browser: a window that has requests and WebSockets of Node, and little else.

import http from 'node:http';
import { createRequire } from 'node:module';
import { createContext, runInContext } from 'node:vm';

const WebSocket = createRequire(new URL('../../interop/package.json', import.meta.url))('ws');
/** As a browser does, it has a few connections to a server and keeps them. */
const agent = new http.Agent({ keepAlive: true });

class Request {
  readyState = 0;
  status = 0;
  responseText = '';
  withCredentials = false;
  #headers = {};
  #request;

  open(method, url) {
    Object.assign(this, { method, url, readyState: 1 });
  }

  setRequestHeader(name, value) {
    this.#headers[name] = value;
  }

  getResponseHeader(name) {
    return this.answer?.headers[name.toLowerCase()] ?? null;
  }

  send(body) {
    this.#request = http.request(this.url, { agent, method: this.method, headers: this.#headers });
    this.#request.on('error', () => this.#over());
    this.#request.on('response', (answer) => {
      Object.assign(this, { answer, status: answer.statusCode });
      answer.setEncoding('utf8').on('data', (text) => (this.responseText += text));
      answer.on('close', () => (answer.complete ? this.#over() : this.#over({ status: 0 })));
    });
    this.#request.end(body ?? undefined);
  }

  abort() {
    this.#request?.destroy();
    this.#over({ status: 0 });
  }

  #over(how) {
    if (this.readyState === 4) return;
    Object.assign(this, { readyState: 4 }, how);
    this.onreadystatechange?.();
  }
}

/** What the server at `url` gives to pages as the client, run in a window of its own. Resolves with its `io`. */
export async function openClient(url) {
  const source = await (await fetch(`${url}/parlance.js`)).text();
  return function client(at = url) {
    const { protocol, host } = new URL(at);
    const window = { location: { protocol, host }, navigator: {}, XMLHttpRequest: Request, WebSocket, setTimeout, clearTimeout, setInterval, clearInterval, addEventListener() {}, atob, btoa, ArrayBuffer, Uint8Array };
    window.window = window;
    createContext(window);
    runInContext(source, window);
    return window.io;
  };
}
