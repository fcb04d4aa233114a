// The chat as one room: two nodes of Parlance, somebody with the words of 0.9, and a server of Node with the events of the stock
// example, at a Redis.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { eventually } from './lib/eventually.mjs';
import { startNode4, startOldNode } from './lib/node-servers.mjs';
import { startRedis } from './lib/redis.mjs';
import { scenario } from './lib/scenario.mjs';
import { startChat } from './lib/server.mjs';

const require = createRequire(import.meta.url);
const WORDS = ['login', 'user joined', 'user left', 'new message', 'typing', 'stop typing'];
/** Those of the example of 0.9. */
const OLD_WORDS = ['announcement', 'nicknames', 'user message'];

/** The stock example's events: what its server says to whom. */
function serveStock(io) {
  let users = 0;
  io.on('connection', (socket) => {
    let named = false;
    socket.on('add user', (name) => {
      if (named) return;
      named = true;
      socket.username = name;
      socket.emit('login', { numUsers: ++users });
      socket.broadcast.emit('user joined', { username: name, numUsers: users });
    });
    socket.on('new message', (message) => socket.broadcast.emit('new message', { username: socket.username, message }));
    for (const word of ['typing', 'stop typing']) socket.on(word, () => socket.broadcast.emit(word, { username: socket.username }));
    socket.on('disconnect', () => named && socket.broadcast.emit('user left', { username: socket.username, numUsers: --users }));
  });
}

/** All that a client hears of `words`: `hears(event, test)` waits for the next that fits, and resolves with its arguments. */
function listen(socket, name, words) {
  const heard = [];
  let look = () => {};
  for (const word of words) socket.on(word, (...args) => { heard.push([word, ...args]); look(); });
  return (event, fits = () => true) => new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${name} waits for ${event}, and heard ${JSON.stringify(heard)}`)), 60_000);
    look = () => {
      const at = heard.findIndex(([word, ...args]) => word === event && fits(...args));
      if (at < 0) return;
      clearTimeout(late);
      look = () => {};
      resolve(heard.splice(0, at + 1).at(-1).slice(1));
    };
    look();
  });
}

/** Somebody on a server. */
async function person(scene, server, name, generation = '4.8.4') {
  const socket = require(`socket.io-client-${generation}`)(server.url, { forceNew: true, transports: ['websocket'] });
  scene.atEnd(() => socket.disconnect());
  const hears = listen(socket, name, WORDS);
  socket.emit('add user', name);
  await hears('login');
  return {
    socket,
    says: (text) => socket.emit('new message', text),
    /** The next message of somebody: `[name, text]`. */
    told: async (of) => { const [{ username, message }] = await hears('new message', ({ username }) => username === of); return [username, message]; },
    left: async (of) => (await hears('user left', ({ username }) => username === of))[0],
    hears,
  };
}

/** The same with the words of 0.9, by its client. */
async function nicknamed(scene, server, name) {
  const socket = require('socket.io-client-0.9.17').connect(server.url, { 'force new connection': true, reconnect: false, transports: ['websocket'] });
  scene.atEnd(() => socket.disconnect());
  const hears = listen(socket, name, OLD_WORDS);
  assert.equal(await new Promise((resolve) => socket.emit('nickname', name, resolve)), false, 'it is not taken');
  return {
    socket,
    says: (text) => socket.emit('user message', text),
    told: (of) => hears('user message', (from) => from === of),
    left: (of) => hears('announcement', (text) => text === `${of} disconnected`),
    hears,
  };
}

/** How nodes meet, the server of Node that starts there, and the generation of the client of somebody on it. */
const CLUSTERS = [
  { adapter: 'redis', with: 'today\'s', start: (redis) => startNode4(redis, { adapter: 'redis' }) },
  { adapter: 'redis-sharded', with: 'today\'s', start: (redis) => startNode4(redis, { adapter: 'redis-sharded' }) },
  { adapter: 'redis-streams', with: 'today\'s', start: (redis) => startNode4(redis, { adapter: 'redis-streams' }) },
  { adapter: 'redis-streams', streams: 4, with: 'today\'s, of four streams', start: (redis) => startNode4(redis, { adapter: 'redis-streams', streamCount: 4 }) },
  { adapter: 'redis', oldest: '5.4', with: '2.5 with socket.io-redis 5.4', generation: '2.5.0', start: (redis) => startOldNode(redis, 'socket.io-2', 'socket.io-redis-5') },
  { adapter: 'redis', oldest: '0.1.3', with: '1.0.6 with socket.io-redis 0.1.3', generation: '1.7.4', start: (redis) => startOldNode(redis, 'socket.io-1.0', 'socket.io-redis-0.1') },
];

for (const { adapter, oldest = '8', streams = 1, with: version, generation, start } of CLUSTERS) scenario(`people of two nodes and of a server of Node are in one room, by ${adapter}, ${version}`, async (scene) => {
  const redis = await startRedis();
  scene.atEnd(() => redis.stop());
  const args = ['--cluster', redis.url, '--cluster-adapter', adapter, '--cluster-oldest', oldest, '--cluster-stream-count', `${streams}`];
  const nodes = [];
  for (let n = 0; n < 2; n++) nodes.push(await startChat(args));
  scene.servers.push(...nodes);
  for (const node of nodes) await node.said(/connected to Redis/);
  const stock = await start(redis);
  serveStock(stock.io);
  scene.atEnd(() => stock.stop());

  const ann = await person(scene, nodes[0], 'ann');
  const bob = await person(scene, nodes[1], 'bob');
  await ann.hears('user joined', ({ username }) => username === 'bob');
  const nik = await nicknamed(scene, nodes[0], 'nik');
  await bob.hears('user joined', ({ username }) => username === 'nik');
  const zoe = await person(scene, stock, 'zoe', generation);
  // Each node knows all of them: what it missed while it started is made up for within seconds.
  for (const { socket } of [ann, bob]) {
    const who = async () => { const { numUsers, people } = await socket.emitWithAck('who'); return JSON.stringify([numUsers, people.sort()]); };
    await eventually(async () => assert.equal(await who(), '[4,["ann","bob","nik","zoe"]]'));
  }
  await nik.hears('nicknames', (all) => Object.values(all).sort().join() === 'ann,bob,nik,zoe');

  const all = { ann, bob, nik, zoe };
  for (const [speaker, { socket, says }] of Object.entries(all)) {
    if (speaker !== 'nik') socket.emit('typing');
    for (let n = 0; n < 20; n++) says(`${speaker} ${n}`);
    for (const hearer of Object.keys(all).filter((name) => name !== speaker)) {
      for (let n = 0; n < 20; n++) assert.deepEqual(await all[hearer].told(speaker), [speaker, `${speaker} ${n}`], `${hearer} hears each once, in order`);
    }
  }
  // A node that stops: its people leave at once, for Node's people as well.
  nodes[1].signal('SIGTERM');
  for (const one of [ann, nik, zoe]) await one.left('bob');
  zoe.socket.disconnect();
  assert.deepEqual(await ann.left('zoe'), { username: 'zoe', numUsers: 2 });
  await nik.left('zoe');
  await nik.hears('nicknames', (names) => Object.values(names).sort().join() === 'ann,nik');
});

for (const oldest of ['3', '6']) scenario(`servers of Node of two times, with cluster-oldest ${oldest}: all hear all, and the list has ${oldest === '3' ? 'all' : 'those who can be asked for'}`, async (scene) => {
  const redis = await startRedis();
  scene.atEnd(() => redis.stop());
  const node = await startChat(['--cluster', redis.url, '--cluster-oldest', oldest, '--node-timeout', '5s']);
  scene.servers.push(node);
  // Whom a server of Node names before that, nobody names again.
  await node.said(/connected to Redis/);
  const [today, old] = [await startNode4(redis), await startOldNode(redis, 'socket.io-2', 'socket.io-redis-5')];
  for (const stock of [today, old]) {
    serveStock(stock.io);
    scene.atEnd(() => stock.stop());
  }
  const all = { ann: await person(scene, node, 'ann') };
  all.ned = await person(scene, today, 'ned');
  all.oda = await person(scene, old, 'oda', '2.5.0');
  const list = async () => (await all.ann.socket.emitWithAck('who')).people.sort().join();
  const becomes = (wanted) => eventually(async () => assert.equal(await list(), wanted));
  await becomes('ann,ned,oda');
  for (const [speaker, { says }] of Object.entries(all)) {
    says(`of ${speaker}`);
    for (const [hearer, { told }] of Object.entries(all)) if (hearer !== speaker) assert.deepEqual(await told(speaker), [speaker, `of ${speaker}`]);
  }
  if (oldest === '6') {
    await becomes('ann,ned');
    all.oda.says('again');
    return becomes('ann,ned,oda');
  }
  // The node asks again and again whether they are there: until an old server has answered after twice that time.
  const reader = await require('redis').createClient({ url: redis.url }).connect();
  scene.atEnd(() => reader.disconnect());
  const began = Date.now();
  await new Promise((resolve) => reader.pSubscribe('socket.io-response#/#*', (text) => {
    if (Date.now() - began > 10_000 && 'clients' in JSON.parse(text)) resolve();
  }));
  await becomes('ann,ned,oda');
});
