// Ports for programs that have to be told theirs.

import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';

/** Below those that systems give to connections and to who asks for any port: of these, one may be taken a moment later. */
const [FIRST, END] = [10_000, 32_000];
const given = new Set();

/** A port of 127.0.0.1 that nobody has, and that nobody gets by chance. */
export async function freePort() {
  for (;;) {
    const port = randomInt(FIRST, END);
    if (given.has(port)) continue;
    given.add(port);
    const server = net.createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(() => true, () => false);
    if (!isFree) continue;
    await once(server.close(), 'close');
    return port;
  }
}
