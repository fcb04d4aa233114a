// A box on the way that lets everything pass, until it begins to cut WebSockets.

import net from 'node:net';

/**
 * Forwards to `port`. After `cut()` upgraded connections are cut, those under way and all new ones; after `shut()` all of them.
 * `heal()` ends that.
 */
export async function startCuttingProxy(port) {
  const sockets = new Set();
  const upgraded = new Set();
  let cutting = false;
  let isShut = false;

  const keep = (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    return socket.setNoDelay();
  };

  const server = net.createServer((client) => {
    if (isShut) return client.destroy();
    const upstream = net.connect(port, '127.0.0.1');
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [keep(client), keep(upstream)]) socket.on('close', end);
    client.on('data', (bytes) => {
      // a request begins a segment here: browsers send them so, and the server is on this machine
      if (/^GET [^\r]*\r\n[^]*upgrade: websocket/i.test(bytes.toString('latin1'))) {
        upgraded.add(end);
        client.on('close', () => upgraded.delete(end));
        if (cutting) upstream.once('data', () => setImmediate(end));
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => client.write(bytes));
  });

  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut() {
      cutting = true;
      for (const end of [...upgraded]) end();
    },
    shut() {
      isShut = true;
      sockets.forEach((socket) => socket.destroy());
    },
    heal: () => (cutting = isShut = false),
    close: () => {
      sockets.forEach((socket) => socket.destroy());
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
