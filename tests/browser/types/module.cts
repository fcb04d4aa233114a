// A program that imports the library and knows its events. It is type-checked, never run: types.test.mjs.

import io = require('../../../client/parlance');

interface FromServer {
  'user joined': (data: { username: string; numUsers: number }) => void;
}

interface ToServer {
  'new message': (text: string, done?: (answer: { ok: boolean }) => void) => void;
}

const socket: io.Socket<FromServer, ToServer> = io('/room');
socket.on('user joined', ({ username, numUsers }) => console.log(username.length, numUsers.toFixed()));
socket.on('connect', () => {});
socket.emit('new message', 'text', ({ ok }) => console.log(ok));
// @ts-expect-error the server does not send it
socket.on('user left', () => {});
// @ts-expect-error the server does not know it
socket.emit('old message', 'text');
// @ts-expect-error not what the server takes
socket.emit('new message', 1);

const same = io<FromServer, ToServer>({ forceNew: true });
same.once('user joined', (data) => data.username).timeout(500).emit('new message', 'text', (error: Error | null) => error);
