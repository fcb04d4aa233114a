// A port that leads to another, until it is told otherwise.

import net from 'node:net';
import { once } from 'node:events';

/** `strike()` cuts all connections, `freeze()` has nothing pass any more, `turn(url)` has later connections go elsewhere. */
export async function startForwarder(url) {
  const pairs = new Set();
  let frozen = false;
  let target = url;
  const server = net.createServer((near) => {
    const far = net.connect(Number(new URL(target).port), '127.0.0.1');
    const pair = [near, far];
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near]]) {
      from.on('data', (bytes) => frozen || to.write(bytes));
      from.on('close', () => (pairs.delete(pair), to.destroy())).on('error', () => {});
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const cut = () => pairs.forEach(([near, far]) => (near.destroy(), far.destroy()));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    strike: cut,
    turn: (other) => void (target = other),
    freeze: () => void (frozen = true),
    close: () => (cut(), server.close()),
  };
}
