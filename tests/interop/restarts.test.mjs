// People type while the server is away, three times over: nobody's words are lost, and everybody has them in one order.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startForwarder } from './lib/forwarder.mjs';
import { nodeFlags } from './lib/nodes.mjs';
import { startRedis } from './lib/redis.mjs';
import { scenario } from './lib/scenario.mjs';

const NAMES = ['ann', 'bob', 'cho'];
const ROUNDS = 3;

/** A server that remembers. */
async function remembering(scene, ...args) {
  const dir = mkdtempSync(join(tmpdir(), 'parlance-restarts-'));
  scene.atEnd(() => rmSync(dir, { recursive: true, force: true }));
  return scene.chat(['--data-dir', dir, '--history', '1000', ...args]);
}

/** Two nodes of one chat. When one stops, the other takes its people. */
async function taking(scene, ...args) {
  const redis = await startRedis();
  scene.atEnd(redis.stop);
  const flags = ['--cluster', redis.url, '--cluster-adapter', 'redis-streams', '--data-dir', 'none', '--history', '1000', ...args];
  const nodes = await Promise.all((await nodeFlags(2)).map((own) => scene.chat([...own, ...flags])));
  for (const node of nodes) await node.said(/connected to Redis/);
  const way = await startForwarder(nodes[0].url);
  scene.atEnd(way.close);
  return {
    url: way.url,
    stop: async (signal) => {
      way.turn(nodes[1].url);
      await nodes[0].stop(signal);
    },
    restart: async () => {
      const place = nodes[0].stderr.length;
      await nodes[0].restart();
      await nodes[0].said(/connected to Redis/, place);
      nodes.reverse();
    },
  };
}

async function walk(scene, { generation, wire, signal, start = remembering, args }) {
  const server = await start(scene, ...args);
  const clients = await scene.clients(server.url, NAMES.map((name) => ({ generation, wire, name, reconnect: true })));
  // As the pages of the example do: they log in when they connect, and again when they are connected again.
  for (const client of clients) await client.call('add user', client.name);
  const all = [];
  for (let round = 1; round <= ROUNDS; round++) {
    // Sessions are written when they begin: they are when something that was said later is acknowledged.
    await clients[0].call('new message', `hello ${round}`);
    const places = clients.map((client) => client.log.position);
    await server.stop(signal);
    await Promise.all(clients.map((client, at) => client.until('disconnect', undefined, { from: places[at] })));
    for (const client of clients) {
      all.push(`${client.name} ${round}`);
      client.emit('new message', `${client.name} ${round}`);
    }
    await server.restart();
    await Promise.all(
      clients.map(async (client, at) => {
        await client.until('connect', undefined, { from: places[at] });
        await client.call('add user', client.name);
      }),
    );
    for (const client of clients) {
      for (const name of NAMES.filter((name) => name !== client.name)) {
        await client.until('new message', (said) => said.message === `${name} ${round}` && said.username === name);
      }
    }
  }
  return { server, clients, all };
}

/** Everybody has all of the others' words, in the room's order, which somebody who comes later is told. */
async function check(scene, { server, clients, all }, { doubles }) {
  const reader = await scene.client(server.url, { generation: '2.5.0', wire: 'websocket', name: 'reader' });
  await reader.call('add user', 'reader');
  const texts = (client) => client.log.all('new message').map(([said]) => said.message).filter((text) => all.includes(text));
  await reader.until('new message', () => texts(reader).length === all.length);
  const order = texts(reader);
  assert.deepEqual([...order].sort(), [...all].sort());
  let deliveries = 0;
  for (const client of clients) {
    const isOther = (text) => !text.startsWith(client.name);
    const heard = texts(client).filter(isOther);
    // A stock page is told again what it has heard before.
    const shown = doubles ? [...new Set(heard)] : heard;
    assert.deepEqual(shown, order.filter(isOther), client.name);
    deliveries += shown.length;
  }
  assert.equal(deliveries, 18);
}

for (const wire of ['websocket', 'xhr-polling']) {
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    scenario(`4.8 over ${wire} with recovery: nothing is lost or doubled over three restarts by ${signal}`, async (scene) => {
      await check(scene, await walk(scene, { generation: '4.8.4', wire, signal, args: ['--recovery', '2m', '--replay', '50'] }), { doubles: false });
    });
  }
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    scenario(`4.8 over ${wire} goes on at the other node with recovery: nothing is lost or doubled when one ends by ${signal}, three times`, async (scene) => {
      const args = ['--recovery', '2m', '--replay', '50'];
      await check(scene, await walk(scene, { generation: '4.8.4', wire, signal, start: taking, args }), { doubles: false });
    });
  }
  for (const [generation, signal] of [['2.5.0', 'SIGTERM'], ['2.5.0', 'SIGKILL'], ['1.7.4', 'SIGTERM']]) {
    scenario(`${generation} over ${wire} with replay: nothing is lost over three restarts by ${signal}`, async (scene) => {
      await check(scene, await walk(scene, { generation, wire, signal, args: ['--replay', '50'] }), { doubles: true });
    });
  }
}
