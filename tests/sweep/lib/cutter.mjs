// Forwards connections, and can play a server that goes away and is there again: all are cut, new ones meet another.

import net from 'node:net';

/** Listens on a free port and forwards to `port`, after `restart` to the port given there. */
export async function startCutter(port) {
  const sockets = new Set();
  const keep = (socket) => {
    sockets.add(socket.setNoDelay());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };
  const server = net.createServer((client) => {
    const upstream = keep(net.connect(port, '127.0.0.1'));
    keep(client).pipe(upstream).pipe(client);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => sockets.forEach((socket) => socket.destroy());
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    restart(other) {
      port = other;
      cut();
    },
    close() {
      cut();
      server.close();
    },
  };
}
