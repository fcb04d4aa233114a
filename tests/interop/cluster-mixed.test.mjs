// What servers of Node do to each other that are of two times, and at one Redis: 4.8 with @socket.io/redis-adapter 8, and 2.5
// with socket.io-redis 5.4. Parlance is between them, and unharmed. cluster.test.mjs has what does hold there.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { BYTES, same } from './lib/echo.mjs';
import { eventually } from './lib/eventually.mjs';
import { startNode4, startOldNode } from './lib/node-servers.mjs';
import { startRedis } from './lib/redis.mjs';
import { scenario } from './lib/scenario.mjs';
import { startExample } from './lib/server.mjs';

const require = createRequire(import.meta.url);
const { decode } = createRequire(require.resolve('socket.io-redis-5'))('notepack.io');
const BROADCASTS = 'socket.io#/#*';
const REQUESTS = 'socket.io-request#/#*';
const RESPONSES = 'socket.io-response#/#*';

/** A program of its own, for a server that will end: `start` is the call that starts it. */
const program = (start) => `const { startNode4, startNodeWith6, startOldNode } = await import(${JSON.stringify(new URL('lib/node-servers.mjs', import.meta.url))});
const { url, io } = await ${start};
// as where nobody listens for the errors of an adapter
io.of('/').adapter.removeAllListeners('error');
console.log(url);`;

/** Starts Parlance and, of Node's, those of `kinds`; with somebody on each, and what reads along at Redis. */
async function open(scene, oldest, kinds = ['today', 'old']) {
  const redis = await startRedis();
  scene.atEnd(() => redis.stop());
  const servers = { parlance: await startExample('socketio_cluster', { REDIS_URL: redis.url, CLUSTER_OLDEST: oldest }) };
  scene.servers.push(servers.parlance);
  for (const kind of kinds) {
    servers[kind] = kind === 'old' ? await startOldNode(redis, 'socket.io-2', 'socket.io-redis-5') : await startNode4(redis);
    scene.atEnd(() => servers[kind].stop());
  }
  const reader = await require('redis').createClient({ url: redis.url }).connect();
  scene.atEnd(() => reader.disconnect());
  const said = [];
  for (const pattern of [BROADCASTS, REQUESTS, RESPONSES]) await reader.pSubscribe(pattern, (bytes) => said.push([pattern, bytes]), true);
  const people = {};
  for (const [kind, name] of [['parlance', 'ann'], ['today', 'bob'], ['old', 'cat']].filter(([kind]) => servers[kind])) {
    const client = await scene.client(servers[kind].url, { generation: kind === 'old' ? '2.5.0' : '4.8.4', wire: 'websocket', name, events: ['event', 'bytes'], echoes: ['asked'] });
    [client.id] = await client.call('do', { act: 'id' }, []);
    await client.call('do', { act: 'enter', rooms: ['red'] }, []);
    people[name] = client;
  }
  // Until each hears the others: an old server tells Redis of rooms, and does not wait.
  for (const speaker of Object.values(people)) {
    for (const client of Object.values(people)) {
      await eventually(async () => {
        await speaker.call('do', { act: 'emit', to: ['red'] }, [speaker.name]);
        await client.until('event', (of) => of === speaker.name, { ms: 100 });
      });
    }
  }
  said.length = 0;
  /** Until such bytes were published to a channel of `pattern`. */
  const published = (pattern, fits) => eventually(() => assert.ok(said.some(([of, bytes]) => of === pattern && fits(bytes)), said.map(([, bytes]) => bytes.toString('latin1')).join('\n')));
  return { redis, servers, published, ...people };
}

scenario('binary of a server of 2.5 disconnects the clients of 4.8, and its clients get an object for that of others; Parlance reads both', async (scene) => {
  const { published, ann, bob, cat } = await open(scene, '6');
  const sent = (length, type) => published(BROADCASTS, (bytes) => bytes.includes(BYTES.subarray(0, length)) && decode(bytes)[1].type === type);
  for (const [speaker, other, length] of [[bob, ann, 100], [ann, bob, 101]]) {
    const bytes = BYTES.subarray(0, length);
    const fits = (got) => (got.data ?? got).length === length;
    await speaker.emit('bytes', 'red', bytes);
    await sent(length, 2);
    assert.deepEqual(await cat.until('bytes', fits), [bytes.toJSON()]);
    same(await other.until('bytes', fits), [bytes], other);
  }
  await cat.emit('bytes', 'red', BYTES);
  await sent(256, 5);
  same(await ann.until('bytes', (got) => got.length === 256), [BYTES], ann);
  assert.deepEqual(await bob.until('disconnect'), ['parse error']);
  assert.deepEqual(ann.log.all('disconnect'), []);
});

scenario('with cluster-oldest 3, binary of Parlance is as that of 2.5', async (scene) => {
  const { published, ann, bob, cat } = await open(scene, '3');
  await ann.emit('bytes', 'red', BYTES);
  await published(BROADCASTS, (bytes) => bytes.includes(BYTES) && decode(bytes)[1].type === 5);
  same(await cat.until('bytes'), [BYTES], cat);
  assert.deepEqual(await bob.until('disconnect'), ['parse error']);
});

scenario('what a server of 2.5 asks, one of 4.8 takes for something else; Parlance does what is meant', async (scene) => {
  const { servers, published, ann, bob } = await open(scene, '3');
  const { adapter } = servers.old.io.of('/');
  adapter.requestsTimeout = 500;
  const ask = (method, ...args) => new Promise((resolve, reject) => adapter[method](...args, (error, said) => (error ? reject(error) : resolve(said))));
  const asked = (type) => published(REQUESTS, (bytes) => {
    const request = JSON.parse(bytes);
    return request.type === type && 'requestid' in request && !('requestId' in request);
  });
  await assert.rejects(ask('clients', []), /timeout/);
  await asked(0);
  // 3 is to join here, and to leave there.
  await assert.rejects(ask('remoteJoin', bob.id, 'red'), /timeout/);
  await asked(3);
  const before = bob.log.position;
  await ann.call('do', { act: 'emit', to: ['red'] }, ['for red']);
  await ann.call('do', { act: 'emit' }, ['for all']);
  await bob.until('event', (text) => text === 'for all', { from: before });
  assert.deepEqual(bob.log.all('event', before), [['for all']], 'bob has left the room');
  adapter.requestsTimeout = 10_000;
  await ask('remoteJoin', ann.id, 'extra');
  assert.deepEqual((await ask('clientRooms', ann.id)).toSorted(), [ann.id, 'extra', 'red'].toSorted());
  await ask('remoteLeave', ann.id, 'extra');
  adapter.requestsTimeout = 500;
  // 4 is to leave here, and to be disconnected there.
  const left = ask('remoteLeave', bob.id, 'blue');
  await asked(4);
  assert.deepEqual(await bob.until('disconnect'), ['io server disconnect']);
  await assert.rejects(left, /timeout/);
  assert.deepEqual(ann.log.all('disconnect'), []);
});

const OLD = "startOldNode(redis, 'socket.io-2', 'socket.io-redis-5')";
const asks = (client) => void client.call('do', { act: 'ask', event: 'asked', timeout: 500 }, [1]).catch(() => {});
/** In MessagePack, of such a type. */
const packed = (bytes, type) => bytes[0] !== '{'.charCodeAt(0) && decode(bytes).type === type;
/** Who ends, when, and by which bytes; of Node there is one other server, of kind `by`. */
const ENDS = [
  { of: '4.8', start: 'startNode4(redis)', when: 'one of 2.5 sends a request of its own', by: 'old', cause: ({ servers }) => servers.old.io.of('/').adapter.customRequest({}, () => {}), why: /TypeError.*rooms/, channel: REQUESTS, bytes: (bytes) => JSON.parse(bytes).type === 5 },
  ...[['2.5', OLD], ['4.8 with socket.io-redis 6.1', 'startNodeWith6(redis)']].flatMap(([of, start]) => [
    { of, start, when: 'one of today asks clients for acknowledgements', by: 'today', cause: ({ bob }) => asks(bob), why: /SyntaxError/, channel: REQUESTS, bytes: (bytes) => packed(bytes, 7) },
    { of, start, when: 'one of today has such an answer for Parlance', by: 'today', cause: ({ ann }) => asks(ann), why: /SyntaxError/, channel: RESPONSES, bytes: (bytes) => packed(bytes, 9) },
  ]),
];

for (const { of, start, when, by, cause, why, channel, bytes } of ENDS) {
  scenario(`a server of ${of} ends when ${when}, if nobody listens for errors of its adapter; Parlance goes on`, async (scene) => {
    const stage = await open(scene, '3', [by]);
    const { url, port } = stage.redis;
    const text = `const redis = ${JSON.stringify({ url, port })};\n${program(start)}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: ['ignore', 'pipe', 'pipe'] });
    scene.atEnd(() => void child.kill('SIGKILL'));
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (more) => (stderr += more));
    const gone = once(child, 'exit');
    await once(child.stdout, 'data');
    // It may listen, and not have told Redis yet of what it wants to hear.
    await eventually(() => {
      if (child.exitCode === null) cause(stage);
      assert.notEqual(child.exitCode, null, 'it has ended');
    });
    assert.notEqual((await gone)[0], 0);
    assert.match(stderr, why);
    await stage.published(channel, bytes);
    const [ann, other] = [stage.ann, stage.bob ?? stage.cat];
    for (const [speaker, hearer] of [[ann, other], [other, ann]]) {
      await speaker.call('do', { act: 'emit' }, ['goes on', speaker.name]);
      await hearer.until('event', (said, name) => said === 'goes on' && name === speaker.name);
    }
  });
}
