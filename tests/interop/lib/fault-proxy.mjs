// Stands between client and server like the middleboxes that break WebSocket: plain requests pass, upgrades suffer.

import net from 'node:net';
import { EventEmitter, once } from 'node:events';
import { PATIENCE } from './log.mjs';

/** The first frames of a probe, in bytes: a masked `2probe` going up, a `3probe` coming down. */
const PROBE = { up: 12, down: 8 };
const NOTHING = { up: 0, down: 0 };

/** What happens to an upgrade request: an answer of the proxy, or after `passes` bytes of frames what `then` says. */
const FAULTS = {
  'refused with 502': { answer: 'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' },
  'never answered': {},
  'dead after 101': { passes: NOTHING, then: 'swallow' },
  'dead after the probe': { passes: PROBE, then: 'swallow' },
  'cut after 101': { passes: NOTHING, then: 'cut' },
  'cut after the probe': { passes: PROBE, then: 'cut' },
};

export const FAULT_NAMES = Object.keys(FAULTS);

/**
 * Listens on a free port and forwards to `port`. Upgrade requests are held back until `strike()`; then they meet
 * `fault`, one of the names above, or without it pass. `heal()` lets all later ones pass.
 * `hits(n)` resolves when n upgrades have met the fault, `abandoned(n)` when the server has given up n of them.
 */
export async function startFaultProxy(port, fault) {
  const plan = FAULTS[fault];
  const sockets = new Set();
  const counts = new Counts();
  const held = [];
  const upgrades = [];
  let state = 'holding';

  const server = net.createServer((client) => {
    keep(client);
    readHead(client, (head, rest) => {
      const request = Buffer.concat([head, rest]);
      const upgrade = /^upgrade: *websocket/im.test(head.toString('latin1'));
      if (upgrade) upgrades.push(head.toString('latin1').split(' ')[1]);
      if (!upgrade) join(client, dial(), request);
      else if (state === 'holding') held.push(() => meet(client, request));
      else meet(client, request);
    });
  });

  function meet(client, request) {
    if (!plan || state === 'healed') return join(client, dial(), request);
    if (plan.passes) return harm(client, dial(), request);
    if (plan.answer) client.end(plan.answer);
    counts.add('hit');
  }

  function dial() {
    return keep(net.connect(port, '127.0.0.1'));
  }

  function harm(client, upstream, request) {
    upstream.write(request);
    let abandoned = false;
    const abandon = () => {
      if (!abandoned) counts.add('abandoned');
      abandoned = true;
    };
    upstream.on('end', abandon);
    readHead(upstream, (answer, rest) => {
      client.write(answer);
      const left = { ...plan.passes };
      const pass = (direction, to) => (bytes) => {
        const piece = bytes.subarray(0, left[direction]);
        left[direction] -= piece.length;
        if (piece.length) to.write(piece, check);
        if (to === client && isCloseFrame(bytes.subarray(piece.length))) abandon();
      };
      let done = false;
      const check = () => {
        if (done || left.up || left.down) return;
        done = true;
        if (plan.then === 'cut') {
          client.end();
          upstream.end();
        }
        counts.add('hit');
      };
      const down = pass('down', client);
      client.on('data', pass('up', upstream));
      upstream.on('data', down);
      if (rest.length) down(rest);
      check();
    });
  }

  function keep(socket) {
    sockets.add(socket);
    socket.setNoDelay();
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    return socket;
  }

  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** The targets of all upgrade requests so far. */
    upgrades,
    strike() {
      state = 'striking';
      for (const request of held.splice(0)) request();
    },
    heal: () => (state = 'healed'),
    hits: (wanted) => counts.reach('hit', wanted),
    abandoned: (wanted) => counts.reach('abandoned', wanted),
    close: () => {
      sockets.forEach((socket) => socket.destroy());
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

function isCloseFrame(bytes) {
  return bytes.length > 0 && (bytes[0] & 0x0f) === 8;
}

class Counts extends EventEmitter {
  #seen = {};

  add(what) {
    this.#seen[what] = (this.#seen[what] ?? 0) + 1;
    this.emit(what);
  }

  async reach(what, wanted) {
    while ((this.#seen[what] ?? 0) < wanted) await once(this, what, { signal: AbortSignal.timeout(PATIENCE) });
  }
}

function join(client, upstream, request) {
  upstream.write(request);
  client.pipe(upstream).pipe(client);
  client.on('close', () => upstream.destroy());
  upstream.on('close', () => client.destroy());
}

/** Hands on the first HTTP head, and what came behind it already. */
function readHead(socket, then) {
  let bytes = Buffer.alloc(0);
  const more = (piece) => {
    bytes = Buffer.concat([bytes, piece]);
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return;
    socket.off('data', more);
    socket.pause();
    then(bytes.subarray(0, end + 4), bytes.subarray(end + 4));
    socket.resume();
  };
  socket.on('data', more);
}
