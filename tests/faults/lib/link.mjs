// A line between two ports that is slow, uneven, or forgets connections. It knows bytes and nothing of HTTP.

import net from 'node:net';
import { once } from 'node:events';

/** A direction holds at most so many bytes back; then its source waits. */
const HELD_MAX = 64 * 1024;

/**
 * Listens on a free port and leads to `port`; from `arm()` on as `fault` says, until then as it comes. What it may have:
 *
 * - `delayMs`: each piece takes that long, each way; `jitterMs`: up to so much more, at random, in order all the same
 * - `stallMs`, `stallShare`: such a share of pieces waits that long, as after a lost packet
 * - `bytesPerSecond`: in each direction of each connection
 * - `silenceMs`, `then`: when nothing has gone either way for that long, the connection is `cut`, or falls into a `hole`:
 *   nobody is told, and nothing passes any more
 */
export async function startLink(port, fault) {
  const sockets = new Set();
  let plan = {};
  const counts = { cut: 0, hole: 0 };
  let fell;
  const fallen = new Promise((resolve) => (fell = resolve));

  const keep = (socket) => {
    sockets.add(socket.setNoDelay());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };

  const server = net.createServer({ allowHalfOpen: true }, (near) => {
    const far = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const pair = [keep(near), keep(far)];
    let lost = false;
    let timer;
    const watch = () => {
      clearTimeout(timer);
      if (plan.silenceMs && !lost) timer = setTimeout(fallSilent, plan.silenceMs);
    };
    const fallSilent = () => {
      counts[plan.then] += 1;
      lost = true;
      fell();
      if (plan.then === 'cut') for (const socket of pair) socket.resetAndDestroy();
    };
    for (const [from, to] of [pair, [far, near]]) {
      carry(from, to, () => plan, () => {
        watch();
        return !lost;
      });
      from.on('close', () => {
        clearTimeout(timer);
        if (!lost) to.destroySoon();
      });
    }
    watch();
  });

  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: server.address().port,
    arm: () => (plan = fault),
    /** Connections that were cut, or fell into the hole. */
    counts,
    /** Resolves once the first of these was. */
    fallen,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Passes bytes and the end on, each when it is due and in order. `plan()` and `alive()` are asked for each piece. */
function carry(from, to, plan, alive) {
  const queue = [];
  let last = 0;
  let held = 0;
  const send = () => {
    while (queue.length && queue[0].due <= Date.now()) queue.shift().act();
    if (queue.length) setTimeout(send, queue[0].due - Date.now());
  };
  const later = (size, act) => {
    const { delayMs = 0, jitterMs = 0, stallShare = 0, stallMs, bytesPerSecond = Infinity } = plan();
    const stalled = Math.random() < stallShare ? stallMs : 0;
    last = Math.max(last, Date.now() + delayMs + Math.random() * jitterMs + stalled) + (size / bytesPerSecond) * 1000;
    queue.push({ due: last, act });
    if (queue.length === 1) send();
  };
  from.on('data', (bytes) => {
    if (!alive()) return;
    held += bytes.length;
    if (held > HELD_MAX) from.pause();
    later(bytes.length, () => {
      held -= bytes.length;
      if (held <= HELD_MAX) from.resume();
      to.write(bytes);
    });
  });
  from.on('end', () => alive() && later(0, () => to.end()));
}
