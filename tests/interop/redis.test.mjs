// Nodes that meet at a Redis and are lost, or lose their clients: Parlance (examples/socketio_cluster.rs), and Node's
// servers of today. cluster.test.mjs has what they say to each other while all are there.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { BYTES, same } from './lib/echo.mjs';
import { eventually } from './lib/eventually.mjs';
import { ADAPTERS, startNode4 } from './lib/node-servers.mjs';
import { startRedis } from './lib/redis.mjs';
import { scenario } from './lib/scenario.mjs';
import { startExample } from './lib/server.mjs';

const require = createRequire(import.meta.url);
const EVENTS = ['event', 'bytes', 'end'];

/** Starts a Redis and servers: `kinds` are keys of KINDS. */
async function startWith(scene, how, ...kinds) {
  const redis = await startRedis();
  scene.atEnd(() => redis.stop());
  const servers = [];
  for (const kind of kinds) {
    const server = await KINDS[kind](redis, how);
    if (server.stderr !== undefined) scene.servers.push(server);
    else scene.atEnd(() => server.stop());
    servers.push(server);
  }
  return [redis, ...servers];
}

const KINDS = {
  parlance: (redis, { adapter = 'redis', recovery = false }) =>
    startExample('socketio_cluster', { REDIS_URL: redis.url, CLUSTER_ADAPTER: adapter, ...(recovery && { RECOVERY: '1' }) }),
  'node 4.8': startNode4,
};

const open = (scene, server, name, generation = '4.8.4', wire = 'websocket') =>
  scene.client(server.url, { generation, wire, name, events: EVENTS, echoes: ['asked'] });

/** Has the server of a client do something, and resolves with what it says. */
async function order(client, act, more = {}, ...args) {
  const [said] = await client.call('do', { act, ...more }, args);
  return said;
}

const PAIRS = [
  ['parlance', 'parlance'],
  ['parlance', 'node 4.8'],
  ['node 4.8', 'parlance'],
];

for (const [here, there] of PAIRS) {
  scenario(`a client of ${here} that is lost comes back on ${there}, with what it missed`, async (scene) => {
    const how = { adapter: 'redis-streams', recovery: true };
    const [, one, other] = await startWith(scene, how, here, there);
    const bob = await open(scene, other, 'bob');
    await eventually(async () => assert.equal(await order(bob, 'count'), 2));
    const { io } = require('socket.io-client-4.8.4');
    const ann = io(one.url, { transports: ['websocket'], reconnectionDelay: 3000, reconnectionDelayMax: 3000, randomizationFactor: 0 });
    scene.atEnd(() => ann.close());
    const heard = [];
    ann.onAny((event, ...args) => heard.push([event, ...args.slice(0, -1)]));
    const turn = (event) => new Promise((resolve) => ann.once(event, resolve));
    await turn('connect');
    const { id } = ann;
    await ann.emitWithAck('do', { act: 'data' }, [{ name: 'ann' }]);
    await order(bob, 'join', { to: [id], rooms: ['red'] });
    await Promise.all([turn('event'), order(bob, 'emit', { to: ['red'] }, 'seen')]);
    // The next connection leads elsewhere.
    ann.io.uri = other.url;
    const back = turn('connect');
    ann.io.engine.close();
    await eventually(async () => assert.deepEqual(await order(bob, 'fetch', { to: ['red'] }), []));
    await order(bob, 'emit', {}, 'missed', 7);
    await order(bob, 'emit', { to: ['red'] }, 'in red');
    await order(bob, 'emit', { to: ['blue'] }, 'not hers');
    await order(bob, 'emit', { except: ['red'] }, 'not hers either');
    await bob.emit('bytes', 'red', BYTES);
    await back;
    assert.deepEqual([ann.recovered, ann.id], [true, id]);
    const [found] = await order(bob, 'fetch', { to: [id] });
    assert.deepEqual([found.rooms.toSorted(), found.data], [[id, 'red'].toSorted(), { name: 'ann' }]);
    await Promise.all([turn('end'), order(bob, 'emit', { event: 'end' })]);
    assert.deepEqual(heard.map(([event, text]) => (event === 'event' ? text : event)), ['seen', 'missed', 'in red', 'bytes', 'end']);
    assert.deepEqual(heard.find(([event]) => event === 'bytes')[1], BYTES);
  });
}

for (const adapter of ['redis-sharded', 'redis-streams']) {
  scenario(`${adapter}: nobody waits for a node that was killed`, async (scene) => {
    const [, one, other] = await startWith(scene, { adapter }, 'parlance', 'parlance');
    const ann = await open(scene, one, 'ann');
    await eventually(async () => assert.equal(await order(ann, 'count'), 2));
    await other.stop('SIGKILL');
    await eventually(async () => assert.equal(await order(ann, 'count'), 1));
    const start = Date.now();
    assert.equal((await order(ann, 'fetch', { timeout: 20_000 })).length, 1);
    assert.deepEqual(await order(ann, 'ask', { event: 'asked', timeout: 20_000 }, 7), { answers: [7], missing: 0 });
    assert.ok(Date.now() - start < 10_000, 'at once');
    await order(ann, 'emit', {}, 'goes on');
    assert.deepEqual(await ann.until('event'), ['goes on']);
  });
}

scenario('a server of Node with redis-streams-adapter 0.2: events both ways, and what it asks', async (scene) => {
  const [redis, parlance] = await startWith(scene, { adapter: 'redis-streams' }, 'parlance');
  const node = await startNode4(redis, { adapter: 'redis-streams-0.2' });
  scene.atEnd(() => node.stop());
  const ann = await open(scene, parlance, 'ann');
  const bob = await open(scene, node, 'bob');
  for (const client of [ann, bob]) await order(client, 'data', {}, { name: client.name });
  await order(bob, 'emit', {}, 'of the old one');
  assert.deepEqual(await ann.until('event'), ['of the old one']);
  await order(ann, 'emit', {}, 'of the new one');
  assert.deepEqual(await bob.until('event', (text) => text === 'of the new one'), ['of the new one']);
  // It knows ours by what they say, and waits for their answers, which it reads on the stream.
  await eventually(async () => assert.equal((await order(bob, 'fetch')).length, 2));
  const ids = Object.fromEntries((await order(bob, 'fetch')).map(({ id, data }) => [data.name, id]));
  await order(bob, 'join', { to: [ids.ann], rooms: ['red'] });
  await eventually(async () => assert.deepEqual((await order(bob, 'fetch', { to: ['red'] })).map(({ id }) => id), [ids.ann]));
  await order(bob, 'emit', { to: ['red'] }, 'red');
  assert.deepEqual(await ann.until('event', (text) => text === 'red'), ['red']);
  for (const [from, to, room] of [[ann, bob, ids.bob], [bob, ann, 'red']]) {
    await from.emit('bytes', room, BYTES);
    same(await to.until('bytes'), [BYTES], to);
  }
  assert.deepEqual(await order(bob, 'ask', { event: 'asked' }, 7), { answers: [7, 7], missing: 0 });
  assert.deepEqual((await order(bob, 'ask servers', { event: 'asked' }, 7)).map(([, event, args]) => [event, args]), [['asked', [7]]]);
  await order(ann, 'disconnect', { to: [ids.bob] });
  await bob.until('disconnect');
});

for (const adapter of ['redis-sharded', 'redis-streams']) {
  scenario(`${adapter}: no emitter is heard, by Node's servers neither; a server of Node that listens nowhere is`, async (scene) => {
    const [redis, parlance, node] = await startWith(scene, { adapter }, 'parlance', 'node 4.8');
    const client = async () => {
      const client = await require('redis').createClient({ url: redis.url }).connect();
      scene.atEnd(() => client.quit());
      return client;
    };
    const people = [await open(scene, parlance, 'ann'), await open(scene, node, 'bob')];
    for (const one of people) await order(one, 'enter', { rooms: ['red'] });
    const old = require('socket.io-emitter')({ host: '127.0.0.1', port: redis.port });
    scene.atEnd(() => old.redis.end(true));
    const today = await client();
    const emitters = [old, ...['@socket.io/redis-emitter', '@socket.io/redis-emitter-4'].map((name) => new (require(name).Emitter)(today))];
    const reader = await client();
    let published = 0;
    await reader.pSubscribe('socket.io#/#*', () => (published += 1));
    for (const emitter of emitters) emitter.to('red').emit('event', 'of an emitter');
    await eventually(() => assert.equal(published, emitters.length));
    const { Server } = require('socket.io');
    const bare = new Server({ adapter: ADAPTERS[adapter](await client(), await client(), 1) });
    scene.atEnd(() => bare.of('/').adapter.close());
    // It is to be ended only when it has all that it asked Redis for.
    await eventually(async () => assert.equal(await bare.of('/').adapter.serverCount(), 3));
    // Until the others know it, and Redis knows what it listens to.
    await eventually(async () => {
      bare.to('red').emit('event', 'of a server');
      await Promise.all(people.map((one) => one.until('event', (text) => text === 'of a server', { ms: 100 })));
    });
    for (const one of people) assert.deepEqual(one.log.all('event').filter(([text]) => text !== 'of a server'), [], one.name);
  });
}
