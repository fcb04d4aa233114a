// A server that a fault can be seen on: it answers as an engine does, as far as proofs need it, and keeps what arrived.

import { createHash } from 'node:crypto';
import http from 'node:http';
import { once } from 'node:events';
import { FrameReader, frameContent, textFrame } from './frames.mjs';

/** What a stream sends, a piece at a time. */
export const PIECES = Array.from({ length: 4 }, (_, n) => `piece ${n} ${'.'.repeat(1500)}\n`);
const PAUSE_MS = 60;
/** What a WebSocket sends by itself. */
export const FRAMES = ['down 0', 'down 1', 'down 2'];

export async function startUpstream() {
  /** Heads of upgrade requests, whatever became of them. */
  const upgrades = [];
  /** WebSockets: what came up on each, and whether it has ended. */
  const webSockets = [];
  const sockets = new Set();

  const server = http.createServer(async (request, response) => {
    const url = new URL(request.url, 'http://upstream');
    const transport = url.searchParams.get('transport');
    if (transport === 'websocket') upgrades.push(request);
    if (!url.pathname.startsWith('/socket.io/')) return response.writeHead(404).end();
    if (transport === 'websocket') return response.writeHead(400).end('no WebSocket upgrade');
    if (request.method === 'POST') {
      for await (const _ of request);
      return response.end('ok');
    }
    if (url.searchParams.has('silent')) return undefined;
    if (transport === 'eventsource') return stream(response);
    return response.end('0{}');
  });

  async function stream(response) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    for (const piece of PIECES) {
      response.write(piece);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    response.end();
  }

  server.on('upgrade', (request, socket) => {
    upgrades.push(request);
    if (!request.url.startsWith('/socket.io/')) return socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    if (request.httpVersion === '1.0') return socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    const [protocol] = (request.headers['sec-websocket-protocol'] ?? '').split(', ');
    const chosen = protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : '';
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${chosen}\r\n`);
    for (const text of FRAMES) socket.write(textFrame(text, false));
    const seen = { frames: [], ended: new Promise((resolve) => socket.on('close', resolve)) };
    webSockets.push(seen);
    const reader = new FrameReader();
    socket.on('data', (bytes) => {
      for (const frame of reader.read(bytes).map(frameContent)) {
        seen.frames.push(frame);
        if (frame.text.startsWith('echo')) socket.write(textFrame(frame.text, false));
      }
    });
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });

  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: server.address().port,
    upgrades,
    webSockets,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
