// Parlance (examples/socketio_cluster.rs) and Node's servers of all versions in one cluster, with clients of all
// generations on each: every message once, in order, with rooms, exceptions, acknowledgements, binary, and what servers
// ask each other. Each row of CLUSTERS has two nodes of Parlance and one server of each kind that can be there at the
// same time, so that all pairs are among them; three more have one node of Parlance and one server of Node, and two have
// servers of Node that do not understand all of each other: cluster-mixed.test.mjs has what they do then.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';
import { BYTES, same } from './lib/echo.mjs';
import { eventually } from './lib/eventually.mjs';
import { startNode4, startNodeWith6, startOldNode } from './lib/node-servers.mjs';
import { startRedis } from './lib/redis.mjs';
import { scenario } from './lib/scenario.mjs';
import { startExample } from './lib/server.mjs';

const require = createRequire(import.meta.url);

const ALL = ['0.9.17', '1.0.6', '1.7.4', '2.5.0', '3.1.3', '4.8.4'];
const SINCE_1 = ALL.slice(1);
const EIO3 = ALL.slice(1, 4);

/** What a server may be unable to do, and why. */
const NO = {
  except: 'before Socket.IO 4, a server has no exceptions but the sender of a broadcast',
  'except rooms': 'before Socket.IO 3, a server compares exceptions with ids alone: its clients get what is not for their room',
  'several rooms': 'before socket.io-redis 2, a server says a message to several rooms once for each: other servers of Node deliver each, Parlance one',
  operate: 'before Socket.IO 4, a server has no socketsJoin, socketsLeave and disconnectSockets for others',
  ask: 'before @socket.io/redis-adapter 7.2, clients of several servers cannot be asked for acknowledgements',
  'server side': 'before @socket.io/redis-adapter 7, servers send each other no events',
  fetch: 'before socket.io-redis 2, servers do not answer requests',
  'be operated': 'before socket.io-redis 6, sockets of several servers cannot be told to join and leave',
  'send binary': 'before socket.io-redis 1, a server publishes what Socket.IO has taken apart already: the bytes are not in it',
  'one order': 'with streams, servers of Node deliver what they say themselves when Redis has it, not when they have read what was before it',
  0.9: 'since Socket.IO 1.0, servers do not speak with clients of 0.9',
  eio4: 'before Socket.IO 3, servers do not speak with clients of 3 and 4',
};
const before4 = ['except', 'operate', 'ask', 'server side'];

/** Each kind of server: how it starts, the generations that it speaks with, and what of NO holds for it. */
const KINDS = {
  parlance: { generations: ALL, no: [], start: (redis, row) => startExample('socketio_cluster', { REDIS_URL: redis.url, CLUSTER_ADAPTER: row.adapter, CLUSTER_OLDEST: row.oldest ?? '' }) },
  'socket.io 4.8': { generations: SINCE_1, no: ['0.9', 'one order'], start: (redis, { adapter }) => startNode4(redis, { adapter }) },
  'socket.io 4.8, socket.io-redis 6.1': { generations: SINCE_1, no: ['0.9', 'ask', 'server side'], start: (redis) => startNodeWith6(redis) },
  'socket.io 3.1, socket.io-redis 6.1': { generations: SINCE_1, no: ['0.9', ...before4], start: (redis) => startNodeWith6(redis, '-3') },
  'socket.io 2.5, socket.io-redis 5.4': old('socket.io-2', 'socket.io-redis-5'),
  'socket.io 1.7, socket.io-redis 4.0': old('socket.io-1.7', 'socket.io-redis-4'),
  'socket.io 1.7, socket.io-redis 3.1': old('socket.io-1.7', 'socket.io-redis-3'),
  'socket.io 1.7, socket.io-redis 2.0': old('socket.io-1.7', 'socket.io-redis-2'),
  'socket.io 1.7, socket.io-redis 1.1': old('socket.io-1.7', 'socket.io-redis-1', 'fetch', 'several rooms'),
  'socket.io 1.0, socket.io-redis 0.2': old('socket.io-1.0', 'socket.io-redis-0.2', 'fetch', 'several rooms', 'send binary'),
  'socket.io 1.0, socket.io-redis 0.1': old('socket.io-1.0', 'socket.io-redis-0.1', 'fetch', 'send binary'),
};

function old(server, adapter, ...no) {
  return { generations: EIO3, no: ['0.9', 'eio4', 'except rooms', 'be operated', ...before4, ...no], start: (redis) => startOldNode(redis, server, adapter) };
}

/** Of servers of Node that the others of the cluster do not understand, or the reverse: by kind, as `no` of KINDS. */
const REQUESTS = 'socket.io-redis 5 writes `requestid` and @socket.io/redis-adapter 8 `requestId`: neither knows the answers of the other, and its question ends in a timeout';
const OLD_BINARY = 'Socket.IO 2 says binary in a packet of type 5, which Socket.IO 4 writes as `5undefined-[…]`: its clients cannot read it, and are disconnected';
const NEW_BINARY = 'Socket.IO 4 says binary in a packet of type 2, which Socket.IO 2 writes as JSON: its clients get { type: "Buffer", data: […] }';
const [NEW, OLD] = ['socket.io 4.8', 'socket.io 2.5, socket.io-redis 5.4'];
const MIXED = {
  3: {
    parlance: { 'send binary': OLD_BINARY },
    [NEW]: { 'ask others': REQUESTS },
    [OLD]: { 'ask others': REQUESTS, 'send binary': OLD_BINARY, 'read binary': NEW_BINARY },
  },
  6: {
    [NEW]: { 'ask others': REQUESTS },
    [OLD]: { fetch: 'with cluster-oldest 6 it is not asked in its words', 'ask others': REQUESTS, 'send binary': OLD_BINARY, 'read binary': NEW_BINARY },
  },
};

/**
 * `oldest` is the version of the oldest adapter, for Parlance's setting. With `alone` there is one node of Parlance. `no` has
 * what does not hold in this cluster, beyond what does not hold for a kind.
 */
const CLUSTERS = [
  { adapter: 'redis', others: ['socket.io 4.8'] },
  { adapter: 'redis', oldest: '6', others: ['socket.io 4.8, socket.io-redis 6.1', 'socket.io 3.1, socket.io-redis 6.1'] },
  { adapter: 'redis', oldest: '3', others: ['socket.io 2.5, socket.io-redis 5.4', 'socket.io 1.7, socket.io-redis 4.0', 'socket.io 1.7, socket.io-redis 3.1'] },
  { adapter: 'redis', oldest: '0.2', others: ['socket.io 1.7, socket.io-redis 2.0', 'socket.io 1.7, socket.io-redis 1.1', 'socket.io 1.0, socket.io-redis 0.2'] },
  { adapter: 'redis', oldest: '0.1', others: ['socket.io 1.0, socket.io-redis 0.1'] },
  { adapter: 'redis-sharded', others: ['socket.io 4.8'] },
  { adapter: 'redis-streams', others: ['socket.io 4.8'] },
  // One of each, as where a server of Node is to be replaced.
  ...['redis', 'redis-sharded', 'redis-streams'].map((adapter) => ({ adapter, alone: true, others: ['socket.io 4.8'] })),
  // As where old and new servers of Node are in use at the same time.
  ...['3', '6'].map((oldest) => ({ adapter: 'redis', oldest, alone: true, others: [NEW, OLD], no: MIXED[oldest] })),
];
/** Kinds that have no adapter of that name at all. */
const ADAPTERLESS = 'socket.io-redis, which is for Socket.IO before 4, has no sharded Pub/Sub and no streams';

const EVENTS = ['event', 'line', 'bytes', 'server side', 'probe', 'end'];
const LINES = 5;

/** Has the server of a client do something, and resolves with what it says. */
async function order(client, act, more = {}, ...args) {
  const [said] = await client.call('do', { act, ...more }, args);
  return said;
}

/** One cluster with all of its clients. */
class Room {
  static async open(scene, row) {
    const room = new Room();
    const redis = await startRedis();
    scene.atEnd(() => redis.stop());
    room.redis = redis;
    room.row = row;
    room.servers = [];
    for (const kind of ['parlance', ...(row.alone ? [] : ['parlance']), ...row.others]) {
      const server = await KINDS[kind].start(redis, row);
      if (server.stderr !== undefined) scene.servers.push(server);
      else scene.atEnd(() => server.stop());
      room.servers.push({ kind, url: server.url, io: server.io, can: (what) => !KINDS[kind].no.includes(what) && row.no?.[kind]?.[what] === undefined });
    }
    for (const [number, server] of room.servers.entries()) {
      server.name = `${number} ${server.kind}`;
      server.clients = await Promise.all(KINDS[server.kind].generations.map(async (generation, at) => {
        const wire = (number + at) % 2 ? 'xhr-polling' : 'websocket';
        const client = await scene.client(server.url, { generation, wire, name: `${generation} at ${server.name}`, events: EVENTS, echoes: ['asked'] });
        client.rooms = [['red'], ['blue'], ['red', 'blue']][(number + at) % 3];
        if (['3.1.3', '4.8.4'].includes(generation)) client.rooms.push('modern');
        client.server = server;
        client.id = await order(client, 'id');
        await order(client, 'enter', { rooms: client.rooms });
        return client;
      }));
      server.first = server.clients.at(-1);
    }
    room.clients = room.servers.flatMap(({ clients }) => clients);
    await room.settle();
    return room;
  }

  able(what) {
    return this.servers.filter(({ can }) => can(what));
  }

  /** Until everybody hears every server, by each room: some tell Redis of rooms and do not wait. */
  async settle() {
    for (const { first, name } of this.servers) for (const red of ['red', 'blue']) {
      await eventually(async () => {
        await order(first, 'emit', { event: 'probe', to: [red] }, name, red);
        const members = this.clients.filter(({ rooms }) => rooms.includes(red));
        await Promise.all(members.map((client) => client.until('probe', (from, by) => from === name && by === red, { ms: 250 })));
      });
    }
  }

  /** What everybody gets of `event` until each server has sent an `end`, which everybody gets: by client. */
  async heard(event, during) {
    const from = new Map(this.clients.map((client) => [client, client.log.position]));
    await during();
    for (const { first, name } of this.servers) {
      await order(first, 'emit', { event: 'end' }, name);
    }
    await Promise.all(this.clients.flatMap((client) => this.servers.map(({ name }) => client.until('end', (of) => of === name, { from: from.get(client) }))));
    return new Map(this.clients.map((client) => [client, client.log.all(event, from.get(client))]));
  }
}

/**
 * Everybody says lines at the same time; all hear each once, and in order. A line that takes more than a second to come back from
 * a stream is delivered before, in an order of its own node's: if that may have been so, the lines are said once more.
 */
async function lines(room, tries = 4) {
  const began = performance.now();
  const heard = await room.heard('line', () => Promise.all(room.clients.map(async (client) => {
    // 32 bytes and more: old and new servers write text of that length in different ways.
    for (let n = 0; n < LINES; n += 1) await order(client, 'emit', { event: 'line' }, client.name, n, 'world '.repeat(n * 10));
  })));
  const said = (all) => all.map(([name, n]) => `${name} ${n}`);
  for (const [client, all] of heard) {
    for (const { name } of room.clients) {
      const own = all.filter(([of]) => of === name);
      assert.deepEqual(own.map(([, n]) => n), [...Array(LINES).keys()], `${client.name} of ${name}`);
      assert.deepEqual(own.map(([, n, text]) => text === 'world '.repeat(n * 10)), Array(LINES).fill(true), `${client.name} of ${name}`);
    }
    assert.equal(all.length, room.clients.length * LINES, client.name);
    if (room.row.adapter !== 'redis-streams' || !client.server.can('one order')) continue;
    const isSame = said(all).join() === said(heard.get(room.clients[0])).join();
    if (!isSame && tries > 1 && performance.now() - began > 1000) return lines(room, tries - 1);
    assert.deepEqual(said(all), said(heard.get(room.clients[0])), `${client.name}: one order for all`);
  }
}

/** In ASCII: the oldest clients and servers do not read more in today's Node. */
const VALUES = { text: 'o', list: [null, 1.5, -1, 2 ** 40, 200, -200, 70_000], yes: true };

/** Each server sends to rooms, to one client, to others, and with exceptions. */
async function rooms(room) {
  for (const { first: sender, name, can } of room.servers) {
    const one = room.clients.find(({ server }) => server.name !== name);
    const sent = [
      ['all', {}, () => true],
      ['red', { to: ['red'] }, ({ rooms }) => rooms.includes('red')],
      ['both', { to: ['red', 'blue'] }, () => true],
      ...(sender.rooms.includes('modern') ? [['wörld ✓', { to: ['modern'] }, ({ rooms }) => rooms.includes('modern')]] : []),
      ['nobody', { to: ['nobody'] }, () => false],
      ['one', { to: [one.id] }, (client) => client === one],
      ['others', { act: 'broadcast' }, (client) => client !== sender],
    ];
    if (can('except')) {
      const bare = (client) => !client.server.can('except rooms');
      sent.push(
        ['not red', { except: ['red'] }, (client) => bare(client) || !client.rooms.includes('red')],
        ['blue alone', { to: ['blue'], except: ['red'] }, (client) => client.rooms.includes('blue') && (bare(client) || !client.rooms.includes('red'))],
        ['not one', { except: [one.id] }, (client) => client !== one],
        ['elsewhere', { of: '/chat' }, () => false],
      );
    }
    const heard = await room.heard('event', async () => {
      for (const [text, { act = 'emit', ...whom }] of sent) await order(sender, act, whom, text, VALUES);
    });
    for (const [client, all] of heard) {
      const twice = !can('several rooms') && client.server.name !== name && client.server.kind !== 'parlance';
      const times = ([text, , hears]) => (!hears(client) ? 0 : text === 'both' && twice ? 2 : 1);
      const expected = sent.flatMap((it) => Array(times(it)).fill([it[0], VALUES]));
      assert.deepEqual(all, expected, `${client.name} of ${name}`);
    }
  }
}

/** Each server sends binary. */
async function binary(room) {
  for (const { clients, name } of room.able('send binary')) {
    const sender = clients.find(({ spec }) => spec.generation === '1.7.4');
    const heard = await room.heard('bytes', async () => {
      await sender.emit('bytes', 'red', BYTES);
      await order(sender, 'id'); // by then the server has it
    });
    for (const [client, all] of heard) sameBytes(client, all, client.rooms.includes('red') ? [BYTES] : [], name);
  }
}

function sameBytes({ spec, server, name }, got, expected, of) {
  // 0.9 has no binary, and gets an object in its place. Socket.IO 1.0 sends other bytes in today's Node.
  const given = spec.generation.startsWith('0.') ? got.map((_, at) => [expected[at]]) : got;
  if (!server.can('read binary') && of !== server.name) return assert.deepEqual(got, expected.map((bytes) => [bytes.toJSON()]), `${name} of ${of}`);
  const generation = server.kind.includes('socket.io 1.0') ? '1.0.6' : spec.generation;
  same(given, expected.map((bytes) => [bytes]), { spec: { generation }, name }, `of ${of}`);
}

/** Each server asks all clients, and all servers, for answers. */
async function questions(room) {
  const asking = room.able('ask');
  const everywhere = asking.length === room.servers.length;
  const here = asking.flatMap(({ clients }) => clients);
  // Who cannot answer is missing, and is waited for until the time is over: a short one, and a longer one if it was too short.
  const ask = async (first, how, value, isEnough, timeout) => {
    const said = await order(first, 'ask', { ...how, timeout }, value);
    return isEnough(said) || timeout >= 8000 ? said : ask(first, how, value, isEnough, 2 * timeout);
  };
  const patience = 20_000;
  for (const { first, name } of asking) {
    for (const value of everywhere ? [7, 'text'] : ['text']) {
      const { answers, missing } = await ask(first, { event: 'asked' }, value, (said) => said.answers.length >= here.length, everywhere ? patience : 500);
      assert.deepEqual(answers, here.map(() => value), `${name}: ${missing} missing`);
      if (everywhere) assert.equal(missing, 0, name);
    }
    if (!everywhere) continue;
    assert.deepEqual(await order(first, 'ask', { event: 'asked', to: ['nobody'], timeout: patience }, 7), { answers: [], missing: 0 });
    // Those of other nodes are missing when their nodes have said how many they are.
    assert.notEqual((await ask(first, { event: 'unheard', to: ['red'] }, 7, ({ missing }) => missing !== 0, 100)).missing, 0);
  }
  for (const server of room.able('server side')) {
    const others = asking.filter((other) => other !== server);
    const positions = new Map(here.map((client) => [client, client.log.position]));
    await order(server.first, 'server side', {}, server.name, { a: 'x' });
    const fits = (_, [of]) => of === server.name;
    await Promise.all(others.flatMap(({ clients }) => clients).map((client) => client.until('server side', fits, { from: positions.get(client) })));
    if (everywhere) {
      const answers = await order(server.first, 'ask servers', { event: 'asked' }, 7);
      assert.deepEqual(answers.toSorted(), others.map(({ kind }) => [kind === 'parlance' ? kind : 'node', 'asked', [7]]).toSorted());
    }
    for (const client of here) {
      const got = client.log.all('server side', positions.get(client)).filter(([, [of]]) => of === server.name);
      assert.equal(got.length, client.server === server ? 0 : 1, client.name);
    }
  }
}

/** Each server finds all sockets, has those of others join and leave, and the last one go. */
async function sockets(room) {
  const found = room.able('fetch').flatMap(({ clients }) => clients);
  const finding = room.able('fetch').filter(({ can }) => can('ask others'));
  // Who does not answer is waited for.
  const timeout = room.row.no ? 500 : 2000;
  for (const { first, name } of finding) {
    await eventually(async () => {
      const ids = async (whom) => (await order(first, 'fetch', { ...whom, timeout })).map(({ id }) => id).toSorted();
      const of = (clients) => clients.map(({ id }) => id).toSorted();
      assert.deepEqual(await ids({}), of(found), name);
      assert.deepEqual(await ids({ to: ['red'] }), of(found.filter(({ rooms }) => rooms.includes('red'))), name);
    });
  }
  const operating = room.able('operate');
  const whole = finding.length === room.servers.length && finding.every(({ can }) => can('operate'));
  for (const { first, name } of operating) {
    const targets = operating.filter((other) => other.name !== name).map(({ clients }) => clients[0]);
    const finder = finding.find((server) => server.first === first) ?? finding[0];
    const members = async () => (await order(finder.first, 'fetch', { to: ['extra'], timeout: Math.min(timeout, 1000) })).map(({ id }) => id).toSorted();
    await order(first, 'join', { to: targets.map(({ id }) => id), rooms: ['extra'] });
    await eventually(async () => assert.deepEqual(await members(), targets.map(({ id }) => id).toSorted(), name));
    if (whole) {
      const [one] = await order(first, 'fetch', { to: ['extra'], except: targets.slice(1).map(({ id }) => id) });
      assert.deepEqual(one.rooms.toSorted(), [targets[0].id, 'extra', ...targets[0].rooms].toSorted());
      assert.equal(one.handshake.address.endsWith('127.0.0.1'), true, one.handshake.address);
      for (const key of ['headers', 'query']) assert.equal(typeof one.handshake[key], 'object');
    }
    await order(first, 'leave', { to: ['extra'], rooms: ['extra'] });
    await eventually(async () => assert.deepEqual(await members(), [], name));
  }
  for (const [number, { first }] of operating.entries()) {
    const target = operating[(number + 1) % operating.length].clients[1];
    await order(first, 'disconnect', { to: [target.id] });
    await target.until('disconnect');
  }
}

/** What the adapters of Socket.IO 2 ask of the server that has a socket. */
async function oldRequests(room) {
  for (const { io, can } of room.servers.filter(({ kind }) => kind.includes('socket.io 2.5'))) {
    const adapter = io.of('/').adapter;
    const ask = (method, ...args) => new Promise((resolve, reject) => adapter[method](...args, (error, said) => (error ? reject(error) : resolve(said))));
    const target = room.servers[0].clients[2];
    if (can('ask others')) assert.ok((await ask('allRooms')).includes('red'));
    await ask('remoteJoin', target.id, 'extra');
    assert.deepEqual((await ask('clientRooms', target.id)).toSorted(), [target.id, 'extra', ...target.rooms].toSorted());
    await ask('remoteLeave', target.id, 'extra');
    if (can('ask others')) assert.deepEqual(await ask('clients', ['extra']), []);
    await ask('remoteDisconnect', target.id, false);
    await target.until('disconnect');
  }
}

/**
 * Emitters, with the values of `oldest` of clusters that they are tried in. Those before 3 say binary as servers before
 * Socket.IO 3 do: later servers of Node disconnect their clients over it, so they send none where one is, nor the reverse.
 */
const EMITTERS = [
  { name: '@socket.io/redis-emitter', version: '5.1', of: [undefined, '6'] },
  { name: '@socket.io/redis-emitter-4', version: '4.1', of: [undefined, '6'] },
  { name: 'socket.io-emitter', version: '3.2', of: [undefined, '6', '3'] },
  { name: 'socket.io-emitter-2', version: '2.0', of: [undefined, '6', '3'] },
  { name: 'socket.io-emitter-1', version: '1.1', of: ['0.2'] },
  { name: 'socket.io-emitter-0.2', version: '0.2', of: ['0.1'] },
  { name: 'socket.io-emitter-0.1', version: '0.1', of: ['0.1'] },
];

async function openEmitter({ name, version }, { redis: { url, port } }, scene) {
  if (version < '4') {
    const emitter = require(name)({ host: '127.0.0.1', port });
    scene.atEnd(() => emitter.redis.end(true));
    return emitter;
  }
  const client = require('redis').createClient({ url });
  await client.connect();
  scene.atEnd(() => client.quit());
  return new (require(name).Emitter)(client);
}

/** Emitters of the versions that servers of the cluster understand. */
async function emitters(room, scene) {
  const kinds = room.row.adapter === 'redis' ? EMITTERS.filter(({ of }) => of.includes(room.row.oldest)) : [];
  for (const [at, kind] of kinds.entries()) {
    const { version } = kind;
    const operates = version >= '4';
    const hasBinary = version >= '3' ? room.row.oldest !== '3' : (room.row.oldest ?? '7') < '6' && !room.row.no;
    const emitter = await openEmitter(kind, room, scene);
    const from = new Map(room.clients.map((client) => [client, client.log.position]));
    const bytes = BYTES.subarray(0, 10 + at);
    const heard = await room.heard('event', async () => {
      emitter.emit('event', version, 'all');
      emitter.to('red').emit('event', version, 'red');
      emitter.to('nobody').emit('event', version, 'nobody');
      if (operates) {
        emitter.in('red').socketsJoin(['extra']);
        emitter.to('extra').emit('event', version, 'extra');
        emitter.in('extra').socketsLeave(['extra']);
        emitter.to('extra').emit('event', version, 'nobody');
      }
      if (hasBinary) emitter.to('red').emit('bytes', bytes);
      // By another connection to Redis than what servers say.
      emitter.emit('probe', version);
      await Promise.all(room.clients.map((client) => client.until('probe', (of) => of === version, { from: from.get(client) })));
    });
    for (const [client, all] of heard) {
      const isRed = client.rooms.includes('red');
      const red = isRed ? [[version, 'red']] : [];
      const extra = operates && isRed && client.server.can('be operated') ? [[version, 'extra']] : [];
      assert.deepEqual(all, [[version, 'all'], ...red, ...extra], client.name);
      sameBytes(client, client.log.all('bytes', from.get(client)), isRed && hasBinary ? [bytes] : [], version);
    }
  }
}

for (const row of CLUSTERS) {
  const title = [row.adapter, ...(row.oldest ? [`cluster-oldest ${row.oldest}`] : []), ...row.others].join(', ');
  scenario(`${row.alone ? 'one node' : 'two nodes'} of Parlance, and: ${title}`, async (scene) => {
    const room = await Room.open(scene, row);
    for (const step of [lines, rooms, binary, emitters, questions, sockets, oldRequests]) await step(room, scene);
    for (const { log, name } of room.clients) assert.ok(log.all('disconnect').length <= 1, name);
  });
}

test('what is not there, and why', (t) => {
  for (const [kind, { no }] of Object.entries(KINDS)) {
    for (const what of no) t.diagnostic(`${kind}: ${NO[what]}`);
    if (kind.includes('socket.io-redis')) t.diagnostic(`${kind}: ${ADAPTERLESS}`);
    for (const what of no) assert.ok(NO[what], what);
  }
  for (const [oldest, kinds] of Object.entries(MIXED)) {
    for (const [kind, no] of Object.entries(kinds)) {
      for (const [what, why] of Object.entries(no)) t.diagnostic(`${NEW} and ${OLD} together, cluster-oldest ${oldest}, ${kind}: ${what}: ${why}`);
    }
  }
});
