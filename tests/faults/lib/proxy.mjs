// A proxy of HTTP/1.1 that does one named kind of harm. What it does not harm, it passes on as it comes.

import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { EventEmitter, once } from 'node:events';
import { SIGN_IN_PATH, answerOf } from './answers.mjs';
import { BODIES } from './bodies.mjs';
import { relayFrames } from './frames.mjs';

/**
 * Listens on a free port and forwards to `ports`, one after the other if there are several. What `plan` may have:
 *
 * - `to`: which requests it harms: `upgrade` (if nothing is said), `plain` (all of the engine's that are no upgrades),
 *   `engine` (both), `everything` (pages, too)
 * - `answer`: a status; the proxy answers itself. `reset`: it resets the connection. `hang`: it never answers
 * - `drop`, `set`, `version`: headers of requests that it leaves out or changes, and the version that it speaks
 * - `rewrite`: `[from, to]` in the path of requests
 * - `reply`: `{ drop, set }`: the same in heads of answers
 * - `frames`: what happens on WebSockets: frames.mjs
 * - `body`: what happens to the bodies of answers: bodies.mjs
 * - `bodyMax`: a longer request gets 413. `perSecond`: so many requests; more get 429
 *
 * Requests of the engine wait until `arm()`; so a page can be loaded first. `certificate`: `{ cert, key }` for https.
 * `met(n)` resolves when the harm has been done n times.
 */
export async function startProxy(ports, plan = {}, certificate) {
  const upstreams = [ports].flat();
  const sockets = new Set();
  const counts = new Counts();
  let held = [];
  let turn = 0;
  let recent = [];

  const keep = (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };
  const met = () => counts.add();

  const whenArmed = (request, act) => {
    if (held && isOfEngine(request)) held.push(act);
    else act();
  };

  const listener = (request, response) => whenArmed(request, () => takePlain(request, response));
  const server = certificate ? https.createServer(certificate, listener) : http.createServer(listener);
  server.on('upgrade', (request, socket, head) => whenArmed(request, () => takeUpgrade(request, keep(socket), head)));
  server.on('connection', (socket) => keep(socket).setNoDelay());
  server.on('clientError', (_, socket) => socket.destroy());
  server.on('tlsClientError', () => {});
  server.keepAliveTimeout = 60_000;

  function harms(request, isUpgrade) {
    const to = plan.to ?? 'upgrade';
    if (to === 'everything') return !held;
    if (!isOfEngine(request)) return false;
    return to === 'engine' || to === (isUpgrade ? 'upgrade' : 'plain');
  }

  function signIn() {
    return `${certificate ? 'https' : 'http'}://localhost:${server.address().port}${SIGN_IN_PATH}`;
  }

  /** The status that the proxy answers itself, if it does. */
  function ownAnswer(request) {
    if (request.url === SIGN_IN_PATH) return 200;
    if (Number(request.headers['content-length'] ?? 0) > (plan.bodyMax ?? Infinity)) return 413;
    if (plan.perSecond && tooMany()) return 429;
    return plan.answer;
  }

  function tooMany() {
    const now = Date.now();
    recent = recent.filter((at) => now - at < 1000);
    if (recent.length >= plan.perSecond) return true;
    recent.push(now);
    return false;
  }

  function takePlain(request, response) {
    const harmed = harms(request, false);
    const status = harmed || request.url === SIGN_IN_PATH ? ownAnswer(request) : undefined;
    if (status !== undefined) {
      met();
      const { headers, body } = answerOf(status, signIn());
      request.resume();
      response.writeHead(status, headers).end(body);
    } else if (harmed && (plan.reset || plan.hang)) {
      met();
      if (plan.reset) request.socket.resetAndDestroy();
    } else {
      const forwarded = forward(request, harmed);
      request.pipe(forwarded);
      forwarded.on('error', () => request.socket.destroy());
      response.on('close', () => forwarded.destroy());
      forwarded.on('response', (answer) => passAnswer(answer, response, harmed));
    }
  }

  function passAnswer(answer, response, harmed) {
    // what is compressed already is left as it is
    const again = plan.body === 'gzip' && answer.headers['content-encoding'];
    const change = harmed && plan.body && !again && BODIES[plan.body]();
    const headers = headOf(answer, harmed ? plan.reply : undefined);
    if (!change) {
      response.writeHead(answer.statusCode, answer.statusMessage, headers.flat());
      // the head goes out at once: a stream may have nothing else for long
      response.flushHeaders();
      answer.pipe(response);
    } else {
      met();
      const own = Object.entries(change.headers ?? {});
      const kept = change.changesLength ? without(headers, ['content-length']) : headers;
      response.writeHead(answer.statusCode, answer.statusMessage, [...kept, ...own].flat());
      if (plan.body !== 'until-end') response.flushHeaders();
      answer.pipe(change.through).pipe(response);
      answer.on('close', () => change.through.end());
    }
    answer.on('error', () => response.destroy());
  }

  function takeUpgrade(request, socket, head) {
    const harmed = harms(request, true);
    const status = harmed ? ownAnswer(request) : undefined;
    if (harmed && !plan.frames) met();
    if (status !== undefined) {
      const { headers, body } = answerOf(status, signIn());
      socket.end(`${headText(status, http.STATUS_CODES[status], Object.entries(headers))}${body}`);
    } else if (harmed && plan.reset) {
      socket.resetAndDestroy();
    } else if (!(harmed && plan.hang)) {
      const forwarded = forward(request, harmed);
      forwarded.end();
      forwarded.on('error', () => socket.destroy());
      socket.on('close', () => forwarded.destroy());
      forwarded.on('response', (answer) => {
        // refused: the answer goes on, and the connection ends with it
        const headers = without(headOf(answer), ['connection', 'keep-alive', 'transfer-encoding']);
        socket.write(headText(answer.statusCode, answer.statusMessage, [...headers, ['Connection', 'close']]));
        answer.pipe(socket);
      });
      forwarded.on('upgrade', (answer, upstream, early) => {
        keep(upstream).setNoDelay();
        socket.write(headText(101, answer.statusMessage, headOf(answer, harmed ? plan.reply : undefined)));
        relayFrames(socket, upstream, harmed ? plan.frames : undefined, met);
        if (head.length) socket.unshift(head);
        if (early.length) upstream.unshift(early);
      });
    }
  }

  function forward(request, harmed) {
    const port = upstreams[turn++ % upstreams.length];
    const { drop, set, version, rewrite } = harmed ? plan : {};
    const path = rewrite ? request.url.replace(...rewrite) : request.url;
    const headers = headOf(request, { drop, set }).flat();
    const createConnection = () => {
      const upstream = keep(net.connect(port, '127.0.0.1').setNoDelay());
      if (version) speak(version, upstream);
      return upstream;
    };
    return http.request({ host: '127.0.0.1', port, createConnection, method: request.method, path, headers });
  }

  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: server.address().port,
    arm() {
      const waiting = held ?? [];
      held = null;
      for (const act of waiting) act();
    },
    met: (wanted = 1) => counts.reach(wanted),
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A request that belongs to a session, or would open one. */
function isOfEngine({ url }) {
  return /[?&]EIO=|\/socket\.io\/1\//.test(url);
}

/** Pairs of name and value as they were written, changed as `drop` and `set` say. */
function headOf({ rawHeaders }, { drop = [], set = {} } = {}) {
  const pairs = [];
  for (let i = 0; i < rawHeaders.length; i += 2) pairs.push([rawHeaders[i], rawHeaders[i + 1]]);
  return [...without(pairs, [...drop, ...Object.keys(set)]), ...Object.entries(set)];
}

function without(pairs, names) {
  return pairs.filter(([name]) => !names.some((other) => other.toLowerCase() === name.toLowerCase()));
}

function headText(status, words, pairs) {
  return `HTTP/1.1 ${status} ${words}\r\n${pairs.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

/** Node speaks HTTP/1.1 only: the head of the one request of a connection is changed on its way out. */
function speak(version, socket) {
  const write = socket.write;
  socket.write = function (piece, ...rest) {
    socket.write = write;
    return write.call(this, String(piece).replace('HTTP/1.1', `HTTP/${version}`), ...rest);
  };
}

class Counts extends EventEmitter {
  #seen = 0;

  add() {
    this.#seen += 1;
    this.emit('one');
  }

  async reach(wanted) {
    while (this.#seen < wanted) await once(this, 'one', { signal: AbortSignal.timeout(30_000) });
  }
}
