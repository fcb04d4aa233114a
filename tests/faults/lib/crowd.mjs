// Who is there before the client whose fault is looked at.

import net from 'node:net';
import { once } from 'node:events';
import { ENGINE, get, upgrade } from './raw.mjs';

const GATHER = {
  /** A session on polling. */
  async polling(url, headers) {
    const seen = await get(`${url}${ENGINE}polling`, { headers });
    if (seen.status !== 200) throw new Error(`the crowd is refused: ${JSON.stringify(seen)}`);
  },

  /** A session on a WebSocket, which lasts. */
  async websocket(url, headers) {
    const { socket } = await upgrade(`${url}${ENGINE}websocket`, { headers });
    await socket.frame(0);
    socket.send('40');
    return () => socket.close();
  },

  /** A client whose WebSocket carries nothing: the server gives it up, and the client goes on by polling. */
  async dead(url, headers) {
    const { text } = await get(`${url}${ENGINE}polling`, { headers });
    const { sid } = JSON.parse(text.slice(1));
    await get(`${url}${ENGINE}polling&sid=${sid}`, { method: 'POST', body: '40', headers });
    const { socket } = await upgrade(`${url}${ENGINE}websocket&sid=${sid}`, { headers });
    await socket.ended();
    await get(`${url}${ENGINE}polling&sid=${sid}`, { headers });
  },

  /** A connection that says nothing. */
  async connections(url) {
    const socket = net.connect(Number(new URL(url).port), '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    return () => socket.destroy();
  },
};

/** Has `crowd`, a number for each kind, come. Resolves with how to have them leave. */
export async function gather(url, crowd, agent) {
  const headers = agent ? { 'User-Agent': agent } : undefined;
  const leave = [];
  for (const [kind, count] of Object.entries(crowd)) {
    const all = Array.from({ length: count }, () => GATHER[kind](url, headers));
    leave.push(...(await Promise.all(all)));
  }
  return () => leave.forEach((one) => one?.());
}
