// The table: what may become of Redis, of a node, and of what is between them. Each fault is done to a chat of three
// nodes with somebody on each who says something all the time.
//
// `redis` starts what the nodes meet at; `wires` has each node reach it by a wire of its own (lib/wire.mjs).
// `does` does it, with `lasts` as its time in ms, and ends when the cause is over. `away` are the nodes that are cut off from
// Redis by it. `node` is one that does not come back. With `gentle` nothing may be lost, whatever the adapter.
// `only` in full are those that are much like another one.

import { sleep, startCluster, startOne, startPair } from './lib/redis.mjs';

const ALL = [0, 1, 2];
const keeping = () => startOne({ keeps: true });

export const FAULTS = {
  'redis restarts, and has kept all': {
    redis: keeping, away: ALL, lasts: { full: 8000, short: 1500 },
    async does({ redis, lasts }) { await redis.server.kill(); await sleep(lasts); await redis.server.go(); },
  },
  'redis restarts, and has lost all': {
    redis: startOne, away: ALL, lasts: { full: 8000, short: 1500 },
    async does({ redis, lasts }) { await redis.server.kill(); await sleep(lasts); await redis.server.go(); },
  },
  // Nodes ask it every 5 s, and wait 5 s for the answer.
  'redis stands still (SIGSTOP)': {
    redis: startOne, away: ALL, lasts: { full: 20_000, short: 11_000 },
    async does({ redis, lasts }) { redis.server.signal('SIGSTOP'); await sleep(lasts); redis.server.signal('SIGCONT'); },
  },
  'all connections are cut': {
    redis: startOne, wires: true, away: ALL, lasts: { full: 0, short: 0 },
    async does({ wires }) { wires.forEach((wire) => wire.cut()); },
  },
  'CLIENT KILL': {
    redis: startOne, away: ALL, only: 'full', lasts: { full: 0, short: 0 },
    async does({ redis }) { for (const type of ['normal', 'pubsub']) await redis.server.cli('CLIENT', 'KILL', 'TYPE', type); },
  },
  'CLIENT KILL, again and again': {
    redis: startOne, away: ALL, lasts: { full: 10_000, short: 3000 },
    async does({ redis, lasts }) {
      for (const end = Date.now() + lasts; Date.now() < end; await sleep(150)) for (const type of ['normal', 'pubsub']) await redis.server.cli('CLIENT', 'KILL', 'TYPE', type);
    },
  },
  'the master of a Sentinel pair is killed': {
    redis: startPair, away: ALL, lasts: { full: 0, short: 0 },
    async does({ redis }) { await redis.server.kill(); },
  },
  'a Sentinel pair changes places': {
    redis: startPair, away: ALL, only: 'full', lasts: { full: 0, short: 0 },
    async does({ redis }) { await redis.failover(); },
  },
  'a master of a Redis Cluster is killed': {
    redis: startCluster, away: ALL, lasts: { full: 0, short: 0 },
    async does({ redis }) { await (await redis.holder('socket.io')).kill(); },
  },
  'a node is cut off from Redis': {
    redis: startOne, wires: true, away: [0], lasts: { full: 25_000, short: 8000 },
    async does({ wires, lasts }) { wires[0].silence(); await sleep(lasts); wires[0].mend(); },
  },
  'a node is killed (SIGKILL)': {
    redis: startOne, away: [], node: 2, lasts: { full: 3000, short: 2000 },
    async does({ nodes, lasts }) { await nodes[2].stop('SIGKILL'); await sleep(lasts); },
  },
  'a node is stopped (SIGTERM)': {
    redis: startOne, away: [], node: 2, gentle: true, lasts: { full: 3000, short: 2000 },
    async does({ nodes, lasts }) { await nodes[2].stop('SIGTERM'); await sleep(lasts); },
  },
};

export const ADAPTERS = ['redis-streams', 'redis', 'redis-sharded'];
