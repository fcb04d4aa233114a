// Ports of the servers that the benchmarks start.

import { once } from 'node:events';
import net from 'node:net';

// History in memory: servers that run at once would ask for the same folder.
process.env.PARLANCE_DATA_DIR ??= 'none';

/** A port that nothing listens on. */
export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Resolves when that process takes connections at the port; fails if it ends. */
export async function accepts(port, child) {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`it ended with code ${child.exitCode}`);
    const socket = net.connect(port, '127.0.0.1');
    const open = await once(socket, 'connect').then(() => true, () => false);
    socket.destroy();
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
