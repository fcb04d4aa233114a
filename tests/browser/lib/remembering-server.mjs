// A chat server on Node that answers a login of our page with a position, and knows `history`, `edit`, `delete`, `search`, `rename`,
// `rooms` and `moderate`. A test sets what it knows: messages of days, a history that is lost, answers that are late, moderators.

import { existsSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { freePort } from '../../interop/lib/ports.mjs';
import { served } from './client.mjs';

const { Server } = createRequire(new URL('../../interop/package.json', import.meta.url))('socket.io');
const folder = new URL('../../../static/', import.meta.url);
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const seqOf = (position) => Number(position.split('.')[1]);

class Room {
  epoch = 'abcdefgh';
  log = [];
  keys = new Map();
  people = new Map();
  muted = new Set();
  title = '';
}

export class RememberingServer {
  rooms = new Map();
  #people = new Map();
  #scripts = new Map();
  /** Milliseconds until a message is acknowledged. */
  ackDelay = 0;
  /** Names of moderators, and of people with an account. */
  moderators = new Set();
  verified = new Set();
  /** What pages asked for: `[event, argument]`. */
  asked = [];

  static async start() {
    const server = new RememberingServer();
    for (const name of ['parlance.js', 'parlance-causes.js']) server.#scripts.set(name, await served(name));
    await server.restart();
    return server;
  }

  room(name) {
    if (!this.rooms.has(name)) this.rooms.set(name, new Room());
    return this.rooms.get(name);
  }

  /** Somebody says something in the room of that namespace. */
  say(name, username, text, more = {}) {
    const room = this.room(name);
    const entry = { seq: room.log.length + 1, at: Date.now(), username, text, person: `name:${username}`, ...more };
    room.log.push(entry);
    this.io?.of(name).emit('new message', this.#view(room, entry));
    return entry;
  }

  /** A message as that person sees it. */
  #view(room, { seq, at, username, text, edited, deleted, announce, person }, reader) {
    const verified = this.verified.has(username);
    const message = { position: `${room.epoch}.${seq}`, at, username, message: text };
    return Object.assign(message, edited && { edited }, deleted && { deleted }, announce && { announce }, verified && { verified }, person === reader && { own: true });
  }

  /** Cuts everybody off, as a crash would. */
  async crash() {
    for (const room of this.rooms.values()) room.people.clear();
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.io.engine.close();
    this.server.closeAllConnections();
    await closed;
  }

  async restart() {
    this.server = http.createServer((request, response) => {
      const name = new URL(request.url, 'http://x').pathname.slice(1) || 'index.html';
      const file = new URL(name, folder);
      const body = this.#scripts.get(name) ?? (existsSync(file) ? readFileSync(file) : undefined);
      response.writeHead(body === undefined ? 404 : 200, { 'Content-Type': TYPES[extname(name)] ?? 'text/plain' });
      response.end(body);
    });
    this.io = new Server(this.server);
    for (const namespace of [this.io, this.io.of(/^\/(?!parlance).+/)]) namespace.on('connection', (socket) => this.#serve(socket));
    // Nobody gets it by chance while the server is restarted.
    this.port ??= await freePort();
    await new Promise((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.port}`;
  }

  #serve(socket) {
    const room = this.room(socket.nsp.name);
    const names = () => [...room.people.values()].map(({ username }) => username);
    const page = (entries, me) => entries.map((entry) => this.#view(room, entry, me.person));
    const entry = (position) => room.log[seqOf(position) - 1];
    let me;
    socket.onAny((event, what) => this.asked.push([event, what]));
    socket.on('latency', (done) => done());
    socket.on('who', (done) => done({ numUsers: room.people.size, people: names(), verified: names().filter((name) => this.verified.has(name)) }));
    socket.on('rooms', (asked, done) => done({ ok: true, more: false, rooms: [...this.rooms].map(([name, { title, people }]) => ({ name: name.slice(1), title, people: people.size })) }));
    socket.on('add user', (username, { token, after }, done) => {
      if (!this.#people.has(token)) this.#people.set((token = `token${this.#people.size}`), `guest:${this.#people.size}`);
      const person = this.#people.get(token);
      const others = [...room.people.values()];
      if (others.some((other) => other.username === username && other.person !== person)) return done({ ok: false, reason: 'taken' });
      me = { username, person };
      room.people.set(socket.id, me);
      const gap = after !== undefined && after.split('.')[0] !== room.epoch;
      const missed = after && !gap ? room.log.filter(({ seq }) => seq > seqOf(after)) : undefined;
      const messages = page(missed ? missed.slice(0, 50) : room.log.slice(-50), me);
      const more = (missed ?? room.log).length > 50;
      const roles = this.moderators.has(username) ? ['moderator'] : undefined;
      done({ ok: true, roles, username, numUsers: room.people.size, token, position: `${room.epoch}.${room.log.length}`, room: { title: room.title }, messages, more, ...(gap && { gap }) });
      if (!others.some((other) => other.person === person)) socket.broadcast.emit('user joined', { username, numUsers: room.people.size, ...(this.verified.has(username) && { verified: true }) });
    });
    socket.on('new message', (text, { id }, done) => {
      if (room.muted.has(me.username)) return done({ ok: false, reason: 'muted', message: 'You are muted.' });
      const key = `${me.person} ${id}`;
      if (!room.keys.has(key)) {
        const said = { seq: room.log.length + 1, at: Date.now(), text, ...me };
        room.keys.set(key, said);
        room.log.push(said);
        for (const [other, { person }] of room.people) if (other !== socket.id) socket.nsp.to(other).emit('new message', this.#view(room, said, person));
      }
      const { seq, at } = room.keys.get(key);
      setTimeout(() => done({ ok: true, position: `${room.epoch}.${seq}`, at }), this.ackDelay);
    });
    socket.on('history', ({ before, after, limit }, done) => {
      const all = room.log.filter(({ seq }) => (!before || seq < seqOf(before)) && (!after || seq > seqOf(after)));
      const part = after ? all.slice(0, limit) : all.slice(-limit);
      done({ ok: true, messages: page(part, me), more: all.length > part.length });
    });
    socket.on('search', ({ text, before, limit }, done) => {
      const all = room.log.filter((one) => !one.deleted && one.text.includes(text) && (!before || one.seq < seqOf(before)));
      done({ ok: true, messages: page(all.slice(-limit), me), more: all.length > limit });
    });
    socket.on('edit', ({ position, message }, done) => {
      if (entry(position).person !== me.person) return done({ ok: false, reason: 'not yours', message: 'It is not yours.' });
      Object.assign(entry(position), { text: message, edited: Date.now() });
      socket.broadcast.emit('message edited', { position, message, edited: Date.now() });
      done({ ok: true });
    });
    socket.on('delete', ({ position }, done) => {
      Object.assign(entry(position), { text: '', deleted: true });
      socket.broadcast.emit('message deleted', { position });
      done({ ok: true });
    });
    socket.on('rename', (to, done) => {
      socket.broadcast.emit('user renamed', { from: me.username, to });
      me.username = to;
      done({ ok: true, username: to });
    });
    socket.on('moderate', ({ action, username, position, seconds, message, id }, done) => {
      if (!this.moderators.has(me.username)) return done({ ok: false, reason: 'not a moderator', message: 'You are no moderator.' });
      if (action === 'delete') {
        Object.assign(entry(position), { text: '', deleted: true });
        socket.nsp.emit('message deleted', { position });
      } else if (action === 'announce') {
        const said = { seq: room.log.length + 1, at: Date.now(), text: message, announce: true, ...me };
        room.log.push(said);
        socket.nsp.emit('announcement', this.#view(room, said));
      } else if (action === 'slow') socket.nsp.emit('room', { slow: seconds });
      else if (action === 'mute') room.muted[seconds ? 'add' : 'delete'](username);
      else if (action === 'lift') room.muted.delete(id);
      else if (action === 'list') return done({ ok: true, sanctions: [...room.muted].map((name) => ({ id: name, action: 'mute', username: name, address: false, until: Date.now() + 60_000, by: me.username })) });
      else {
        const [whom] = [...room.people].find(([, person]) => person.username === username) ?? [];
        if (!whom) return done({ ok: false, reason: 'gone', message: 'They are not here.' });
        socket.nsp.sockets.get(whom).emit('removed', { action });
        socket.nsp.sockets.get(whom).disconnect();
      }
      done({ ok: true });
    });
    socket.on('disconnect', () => {
      if (!room.people.delete(socket.id) || names().includes(me.username)) return;
      socket.broadcast.emit('user left', { username: me.username, numUsers: room.people.size });
    });
  }
}
