// What is between a node and Redis: it can be cut, or carry nothing any more.

import net from 'node:net';
import { once } from 'node:events';

/** A port that leads to another. */
export async function startWire(port) {
  const pairs = new Set();
  let silent = false;
  const server = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    const pair = [near, far];
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near]]) {
      // What is on its way while nothing passes is gone, as on a line that is broken.
      from.on('data', (bytes) => silent || to.write(bytes));
      from.on('close', () => { pairs.delete(pair); to.destroy(); });
      from.on('error', () => {});
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const cut = () => pairs.forEach((pair) => pair.forEach((end) => end.destroy()));
  return {
    port: server.address().port,
    cut,
    silence() {
      silent = true;
    },
    /** Bytes may pass again; connections that lost some are broken. */
    mend() {
      silent = false;
      cut();
    },
    close() {
      cut();
      server.close();
    },
  };
}
