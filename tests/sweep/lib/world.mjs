// What the clients of a sweep meet: a chat with somebody in it, another that stands for it after a restart, and a server
// that echoes bytes.

import { Client } from '../../interop/lib/clients.mjs';
import { login } from '../../interop/lib/room.mjs';
import { startChat, startExample } from '../../interop/lib/server.mjs';

/** By heartbeats, clients and server notice that the other has gone without a word. */
const SHORT_HEARTBEAT = ['--ping-interval', '3s', '--ping-timeout', '3s'];

/** `settings` are more arguments of the chat. */
export async function openWorld(settings = []) {
  const [before, after] = [await openRoom(settings), await openRoom(settings)];
  const echo = await startExample('socketio_echo');
  return {
    before,
    after,
    echo,
    close: () => Promise.all([before, after].map((room) => room.close()).concat(echo.stop('SIGKILL'))),
  };
}

async function openRoom(settings) {
  const chat = await startChat([...SHORT_HEARTBEAT, ...settings]);
  const neighbour = Client.open({ url: chat.url, generation: '4.8.4', wire: 'websocket', name: 'neighbour' });
  await neighbour.connected();
  await login(neighbour);
  return {
    chat,
    port: chat.port,
    neighbour,
    async close() {
      await neighbour.disconnect();
      await chat.stop('SIGKILL');
    },
  };
}
