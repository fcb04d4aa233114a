// The chat as one room: two nodes of Parlance, and a server of Node with the events of the stock example, at a Redis.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { startNode4, startOldNode } from './lib/node-servers.mjs';
import { startRedis } from './lib/redis.mjs';
import { scenario } from './lib/scenario.mjs';
import { startChat } from './lib/server.mjs';

const require = createRequire(import.meta.url);
const WORDS = ['login', 'user joined', 'user left', 'new message', 'typing', 'stop typing'];

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

/** Somebody on a server, and all that they hear; `hears(event, test)` waits for the next that fits. */
async function person(scene, server, name, generation = '4.8.4') {
  const socket = require(`socket.io-client-${generation}`)(server.url, { forceNew: true, transports: ['websocket'] });
  scene.atEnd(() => socket.disconnect());
  const heard = [];
  let look = () => {};
  for (const word of WORDS) socket.on(word, (...args) => { heard.push([word, ...args]); look(); });
  const hears = (event, fits = () => true) => new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${name} waits for ${event}, and heard ${JSON.stringify(heard)}`)), 20_000);
    look = () => {
      const at = heard.findIndex(([word, data]) => word === event && fits(data));
      if (at < 0) return;
      clearTimeout(late);
      look = () => {};
      resolve(heard.splice(0, at + 1).at(-1)[1]);
    };
    look();
  });
  socket.emit('add user', name);
  await hears('login');
  return { socket, hears };
}

/** How nodes meet, the server of Node that starts there, and the generation of the client of somebody on it. */
const CLUSTERS = [
  { adapter: 'redis', with: 'today\'s', start: (redis) => startNode4(redis, { adapter: 'redis' }) },
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
  const stock = await start(redis);
  serveStock(stock.io);
  scene.atEnd(() => stock.stop());

  const ann = await person(scene, nodes[0], 'ann');
  const bob = await person(scene, nodes[1], 'bob');
  await ann.hears('user joined', ({ username }) => username === 'bob');
  const zoe = await person(scene, stock, 'zoe', generation);
  // Each node knows all of them: what it missed while it started is made up for within seconds.
  for (const { socket } of [ann, bob]) {
    const who = async () => { const { numUsers, people } = await socket.emitWithAck('who'); return JSON.stringify([numUsers, people.sort()]); };
    for (let tries = 0; (await who()) !== '[3,["ann","bob","zoe"]]'; tries++) {
      assert.ok(tries < 200, await who());
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  const all = { ann, bob, zoe };
  for (const [speaker, { socket }] of Object.entries(all)) {
    socket.emit('typing');
    for (let n = 0; n < 20; n++) socket.emit('new message', `${speaker} ${n}`);
    for (const hearer of Object.keys(all).filter((name) => name !== speaker)) {
      for (let n = 0; n < 20; n++) {
        const { username, message } = await all[hearer].hears('new message', ({ username }) => username === speaker);
        assert.deepEqual([username, message], [speaker, `${speaker} ${n}`], `${hearer} hears each once, in order`);
      }
    }
  }
  // A node that stops: its people leave at once, for Node's people as well.
  nodes[1].signal('SIGTERM');
  for (const one of [ann, zoe]) assert.equal((await one.hears('user left')).username, 'bob');
  zoe.socket.disconnect();
  assert.deepEqual(await ann.hears('user left'), { username: 'zoe', numUsers: 1 });
});
