// Polling by Node's http and https.

import http from 'node:http';
import https from 'node:https';
import { Polling } from '../engine/polling.js';
import { Cookies } from './cookies.js';
import { headersOf, nodeOptions } from './options.js';

/** Redirects that are followed. */
const MOST = 5;

export class NodePolling extends Polling {
  request({ method, url, body }, done, failed) {
    let current;
    let ended = false;
    const fail = (description, context) => {
      if (!ended) failed(description, context);
      ended = true;
    };
    const ask = (address, left) => {
      const { protocol } = new URL(address);
      const headers = headersOf(this);
      if (body !== undefined) Object.assign(headers, { 'Content-Type': 'text/plain;charset=UTF-8', 'Content-Length': Buffer.byteLength(body) });
      const request = (protocol === 'https:' ? https : http).request(address, { method, headers, ...nodeOptions(this.opts) });
      current = request;
      if (this.opts.autoUnref) request.on('socket', (socket) => socket.unref());
      request.on('error', (error) => fail(error, request));
      request.on('response', (answer) => {
        if (this.opts.withCredentials) {
          this.engine.cookies = this.engine.cookies || new Cookies();
          this.engine.cookies.take(answer.headers['set-cookie']);
        }
        const { location } = answer.headers;
        if (answer.statusCode >= 300 && location && left && method === 'GET') {
          answer.resume();
          ask(new URL(location, address).href, left - 1);
          return;
        }
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (part) => (text += part));
        answer.on('error', (error) => fail(error, request));
        answer.on('end', () => {
          if (answer.statusCode !== 200) return fail(answer.statusCode, { readyState: 4, status: answer.statusCode, responseText: text });
          if (!ended) done(text);
          ended = true;
          return undefined;
        });
      });
      request.end(body);
    };
    ask(url, MOST);
    return () => {
      ended = true;
      current.destroy();
    };
  }
}
