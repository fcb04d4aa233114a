// Nodes that meet at a Redis: Parlance (examples/socketio_cluster.rs), Node's servers of today and of 2.x, emitters.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { BYTES, same } from './lib/echo.mjs';
import { startNode2, startNode4, startRedis } from './lib/redis.mjs';
import { scenario } from './lib/scenario.mjs';
import { startExample } from './lib/server.mjs';

const require = createRequire(import.meta.url);
const EVENTS = ['event', 'bytes', 'server side', 'end'];

/** Starts a Redis and servers: `kinds` are keys of KINDS. */
const start = (scene, ...kinds) => startWith(scene, {}, ...kinds);

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
  'node 2.5': startNode2,
};

const open = (scene, server, name, generation = '4.8.4', wire = 'websocket') =>
  scene.client(server.url, { generation, wire, name, events: EVENTS, echoes: ['asked'] });

/** Has the server of a client do something, and resolves with what it says. */
async function order(client, act, more = {}, ...args) {
  const [said] = await client.call('do', { act, ...more }, args);
  return said;
}

/** What each of the clients got of `event` before an `end` that everybody gets. */
async function before(sender, clients, event = 'event') {
  await order(sender, 'emit', { event: 'end' });
  await Promise.all(clients.map((client) => client.until('end')));
  return Object.fromEntries(clients.map((client) => [client.name, client.log.all(event)]));
}

const PAIRS = [
  ['parlance', 'parlance'],
  ['parlance', 'node 4.8'],
  ['node 4.8', 'parlance'],
];

/** Resolves when a check holds. A question of Node's may overtake what its server said before on a stream. */
async function eventually(check) {
  for (let left = 100; ; left -= 1) {
    try {
      return await check();
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

for (const adapter of ['redis', 'redis-sharded', 'redis-streams']) for (const [here, there] of PAIRS) {
  scenario(`${adapter} from ${here} to ${there}: all that a server does`, async (scene) => {
    const [, one, other] = await startWith(scene, { adapter }, here, there);
    const ann = await open(scene, one, 'ann');
    const bob = await open(scene, other, 'bob');
    const old = await open(scene, other, 'old', '2.5.0', 'xhr-polling');
    for (const client of [ann, bob, old]) await order(client, 'data', {}, { name: client.name });
    await eventually(async () => assert.equal(await order(ann, 'count'), 2));

    const found = await order(ann, 'fetch');
    assert.deepEqual(found.map(({ data }) => data.name).toSorted(), ['ann', 'bob', 'old']);
    const ids = Object.fromEntries(found.map(({ id, data }) => [data.name, id]));
    for (const { id, rooms, handshake } of found) {
      assert.deepEqual(rooms, [id]);
      assert.equal(handshake.address.endsWith('127.0.0.1'), true, handshake.address);
      for (const key of ['headers', 'query']) assert.equal(typeof handshake[key], 'object');
    }

    await order(ann, 'join', { to: [ids.bob], rooms: ['red', 'all'] });
    await order(ann, 'join', { to: [ids.old], rooms: ['blue', 'all'] });
    await eventually(async () => {
      const red = await order(ann, 'fetch', { to: ['red'] });
      assert.deepEqual(red.map(({ id }) => id), [ids.bob]);
      assert.deepEqual(red[0].rooms.toSorted(), [ids.bob, 'all', 'red'].toSorted());
      assert.deepEqual((await order(ann, 'fetch', { to: ['all'], except: ['red'] })).map(({ id }) => id), [ids.old]);
    });

    await order(ann, 'emit', {}, 'all', 'ö', { a: [null, 1.5, -1, 2 ** 40], b: true });
    await order(ann, 'emit', { to: ['red'] }, 'red');
    await order(ann, 'emit', { to: ['red', 'blue'], except: ['blue'] }, 'red without blue');
    await order(ann, 'emit', { to: [ids.old] }, 'one');
    await order(ann, 'emit', { to: ['nobody'] }, 'nobody');
    await order(ann, 'emit', { of: '/chat' }, 'elsewhere');
    await order(ann, 'broadcast', {}, 'others');
    const all = ['all', 'ö', { a: [null, 1.5, -1, 2 ** 40], b: true }];
    assert.deepEqual(await before(ann, [ann, bob, old]), {
      ann: [all],
      bob: [all, ['red'], ['red without blue'], ['others']],
      old: [all, ['one'], ['others']],
    });
    await ann.emit('bytes', 'all', BYTES);
    for (const client of [bob, old]) same(await client.until('bytes'), [BYTES], client);

    const asked = await order(ann, 'ask', { event: 'asked' }, 7);
    assert.deepEqual(asked, { answers: [7, 7, 7], missing: 0 });
    assert.deepEqual(await order(ann, 'ask', { event: 'asked', to: ['nobody'] }, 7), { answers: [], missing: 0 });
    assert.notEqual((await order(ann, 'ask', { event: 'unheard', to: ['red'], timeout: 200 })).missing, 0);

    await order(ann, 'server side', {}, 1, { a: 'x' });
    assert.deepEqual(await bob.until('server side'), ['event', [1, { a: 'x' }]]);
    assert.deepEqual(await order(ann, 'ask servers', { event: 'asked' }, 7), [[there.split(' ')[0], 'asked', [7]]]);
    assert.deepEqual(ann.log.all('server side'), [], 'not at the sender');

    await order(ann, 'leave', { to: ['all'], rooms: ['red'] });
    await eventually(async () => assert.deepEqual(await order(ann, 'fetch', { to: ['red'] }), []));
    await order(ann, 'disconnect', { to: [ids.bob] });
    await bob.until('disconnect');
    await eventually(async () => assert.equal((await order(ann, 'fetch')).length, 2));
  });
}

for (const [here, there] of PAIRS) {
  scenario(`a client of ${here} that is lost comes back on ${there}, with what it missed`, async (scene) => {
    const how = { adapter: 'redis-streams', recovery: true };
    const [, one, other] = await startWith(scene, how, here, there);
    const bob = await open(scene, other, 'bob');
    await eventually(async () => assert.equal(await order(bob, 'count'), 2));
    const { io } = require('socket.io-client-4.8.4');
    const ann = io(one.url, { transports: ['websocket'], reconnectionDelay: 300, randomizationFactor: 0 });
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
    assert.equal((await order(ann, 'fetch')).length, 1);
    assert.deepEqual(await order(ann, 'ask', { event: 'asked' }, 7), { answers: [7], missing: 0 });
    assert.ok(Date.now() - start < 1000, 'at once');
    await order(ann, 'emit', {}, 'goes on');
    assert.deepEqual(await ann.until('event'), ['goes on']);
  });
}

scenario('socket.io 2.5 with socket.io-redis 5.4: broadcasts both ways, and what it asks', async (scene) => {
  const [, parlance, node] = await start(scene, 'parlance', 'node 2.5');
  const ann = await open(scene, parlance, 'ann');
  const bob = await open(scene, node, 'bob', '2.5.0');
  const [{ id }] = await order(ann, 'fetch', { local: true });
  await bob.call('join', 'red');
  await order(ann, 'join', { to: [id], rooms: ['red'] });
  const say = (client, to, text) => (client === bob ? bob.call('say', to, text) : order(ann, 'emit', { to }, text));
  for (const [sender, other] of [[ann, bob], [bob, ann]]) {
    const from = other.log.position;
    await say(sender, [], 'all');
    await say(sender, ['red'], 'red');
    await say(sender, ['blue'], 'blue');
    await say(sender, ['red', 'blue'], 'both');
    await sender.emit('bytes', 'red', BYTES);
    // Socket.IO 2 looks for binary where an event is sent, not where it comes in from another server.
    const bytes = other === bob ? JSON.parse(JSON.stringify(BYTES)) : BYTES;
    same(await other.until('bytes', undefined, { from }), [bytes], other);
    assert.deepEqual(other.log.all('event', from), [['all'], ['red'], ['both']]);
  }
  const adapter = node.io.of('/').adapter;
  const ask = (method, ...args) => new Promise((resolve, reject) => adapter[method](...args, (error, said) => (error ? reject(error) : resolve(said))));
  assert.ok((await ask('clients', ['red'])).includes(id));
  assert.ok((await ask('allRooms')).includes('red'));
  await ask('remoteJoin', id, 'blue');
  assert.deepEqual((await ask('clientRooms', id)).toSorted(), [id, 'blue', 'red'].toSorted());
  await ask('remoteLeave', id, 'blue');
  assert.deepEqual(await ask('clients', ['blue']), []);
  await ask('remoteDisconnect', id, false);
  await ann.until('disconnect');
});

scenario('emitters of today and of 2.x', async (scene) => {
  const [redis, one, other] = await start(scene, 'parlance', 'parlance');
  const ann = await open(scene, one, 'ann');
  const bob = await open(scene, other, 'bob', '2.5.0', 'xhr-polling');
  for (const client of [ann, bob]) await order(client, 'data', {}, { name: client.name });
  const ids = Object.fromEntries((await order(ann, 'fetch')).map(({ id, data }) => [data.name, id]));

  const { createClient } = require('redis');
  const client = createClient({ url: redis.url });
  await client.connect();
  scene.atEnd(() => client.quit());
  const { Emitter } = require('@socket.io/redis-emitter');
  const emitter = new Emitter(client);
  emitter.in(ids.bob).socketsJoin(['red', 'blue']);
  emitter.emit('event', 'all');
  emitter.to('red').emit('event', 'red');
  emitter.except('red').emit('event', 'others');
  emitter.in('red').socketsLeave('red');
  emitter.to('red').emit('event', 'nobody');
  emitter.to('blue').emit('event', 'blue');
  emitter.of('/chat').emit('event', 'elsewhere');
  emitter.emit('bytes', BYTES);
  same(await ann.until('bytes'), [BYTES], ann);
  same(await bob.until('bytes'), [BYTES], bob);
  assert.deepEqual(ann.log.all('event'), [['all'], ['others']]);
  assert.deepEqual(bob.log.all('event'), [['all'], ['red'], ['blue']]);
  emitter.serverSideEmit('event', 7);
  for (const it of [ann, bob]) assert.deepEqual(await it.until('server side'), ['event', [7]]);

  const old = require('socket.io-emitter')({ host: '127.0.0.1', port: redis.port });
  scene.atEnd(() => old.redis.quit());
  old.to('blue').emit('event', 'from the old one');
  assert.deepEqual(await bob.until('event', (text) => text.startsWith('from')), ['from the old one']);
  old.emit('bytes', BYTES.subarray(1));
  same(await ann.until('bytes', (bytes) => bytes.length === BYTES.length - 1), [BYTES.subarray(1)], ann);

  emitter.in(ids.ann).disconnectSockets(true);
  await ann.until('disconnect');
});
