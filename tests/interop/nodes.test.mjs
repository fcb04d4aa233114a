// Two nodes behind the real nginx and HAProxy, each request to any of them: nothing is sticky. The configurations are those
// of hosting/nodes/.

import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import test, { after } from 'node:test';
import { BUNDLES, closeBrowser } from './lib/browser.mjs';
import { Authority } from './lib/certificates.mjs';
import { everyKind } from './lib/clients.mjs';
import { eventually } from './lib/eventually.mjs';
import { BALANCERS, BY_COOKIE, nodeFlags, nodeOf, startNodes } from './lib/nodes.mjs';
import { fetchText, startProxy } from './lib/proxy.mjs';
import { startRedis } from './lib/redis.mjs';
import { exchangeNumbers, joinAll } from './lib/room.mjs';
import { scenario } from './lib/scenario.mjs';

after(closeBrowser);

const GENERATIONS = ['0.9.17', '1.0.6', '1.7.4', '2.5.0', '3.1.3', '4.8.4'];
/** Twice each, so that most kinds have a session on either node. */
const KINDS = everyKind(GENERATIONS, ['websocket', 'xhr-polling', 'upgrade'])
  .filter(({ generation, wire }) => wire !== 'upgrade' || !generation.startsWith('0.'))
  .flatMap((kind) => ['a', 'b'].map((twin) => ({ ...kind, name: `${kind.name} ${twin}` })));
const BRISK = ['--ping-interval', '1s', '--ping-timeout', '20s'];

/** The clients by the node that has their session. */
async function byNode(clients) {
  const groups = new Map();
  for (const client of clients) {
    const node = nodeOf(await client.sessionId());
    groups.set(node, [...(groups.get(node) ?? []), client]);
  }
  return [...groups.values()];
}

/** Resolves when the client is on the transport that it settles on. */
async function settled(client) {
  if (client.spec.wire !== 'upgrade') assert.equal(await client.transport(), client.spec.wire, client.name);
  else if ((await client.transport()) !== 'websocket') await client.until('upgrade');
}

for (const name of Object.keys(BALANCERS)) {
  scenario(`${name}: every generation talks, though any node gets its requests`, async (scene) => {
    const nodes = await startNodes(scene, BRISK);
    const proxy = await startProxy(scene, BALANCERS[name], nodes.map(({ port }) => port), ['http']);
    const everybody = await Promise.all(KINDS.map((kind) => scene.client(proxy.http, kind)));
    for (const generation of BUNDLES.filter((it) => !it.startsWith('4.'))) {
      const page = await scene.page({ generation, home: proxy.http });
      everybody.push(await scene.adopt(page.open({ url: proxy.http, wire: 'jsonp-polling' })));
    }
    const names = await Promise.all(nodes.map(async ({ url }) => JSON.parse((await fetchText(`${url}/socket.io/echo`)).text).instance));
    assert.equal(new Set(names).size, 1, 'to clients they are one server');
    const groups = await byNode(everybody);
    assert.equal(groups.length, 2, 'both nodes have sessions');
    for (const group of groups) {
      await joinAll(group);
      await exchangeNumbers(group, 10);
    }
    for (const client of everybody) {
      await settled(client);
      assert.deepEqual(client.log.all('disconnect'), [], client.name);
    }
  });

  scenario(`${name}: a node is killed, and its clients are on the other one at once`, async (scene) => {
    // With heartbeats in between, one might be on its way by the node that is killed: what a client sends is not sent twice.
    const nodes = await startNodes(scene, ['--ping-interval', '60s']);
    const proxy = await startProxy(scene, BALANCERS[name], nodes.map(({ port }) => port), ['http']);
    const everybody = await Promise.all(KINDS.map((kind) => scene.client(proxy.http, { ...kind, reconnect: true })));
    // A client of any generation whose probe is cut while it has paused its polls hears of it by its heartbeat alone.
    for (const client of everybody) await settled(client);
    const groups = await byNode(everybody);
    assert.equal(groups.length, 2);
    // The node of the first group.
    const first = nodeOf(await groups[0][0].sessionId());
    const { sid } = JSON.parse((await fetchText(`${nodes[0].url}/socket.io/?EIO=4&transport=polling`)).text.slice(1));
    const killed = nodeOf(sid) === first ? nodes[0] : nodes[1];
    // Those whose session the other node has keep it, but for WebSockets that came by the killed one.
    const others = groups[1].filter(({ spec }) => spec.wire === 'xhr-polling');
    const sessions = await Promise.all(others.map((client) => client.sessionId()));
    await joinAll(others);
    await exchangeNumbers(others, 5);
    // The last answer to a POST may still be in the node that is killed.
    await eventually(() => assert.ok(others.every((client) => client.idle())));
    const positions = new Map(groups[0].map((client) => [client, client.log.position]));
    const began = Date.now();
    await killed.stop('SIGKILL');
    await Promise.all(groups[0].map(async (client) => {
      await client.connected(positions.get(client));
      assert.ok(Date.now() - began < 10_000, `${Date.now() - began} ms: ${client.name} ${client.log.tail()}`);
    }));
    for (const client of groups[0]) assert.notEqual(nodeOf(await client.sessionId()), first, client.name);
    await exchangeNumbers(others, 5);
    assert.deepEqual(await Promise.all(others.map((client) => client.sessionId())), sessions);
    for (const client of others) assert.deepEqual(client.log.all('disconnect'), [], client.name);
  });
}

scenario('nodes speak TLS with each other, and with nobody who has no certificate of their authority', async (scene) => {
  const [ours, strange] = [new Authority(), new Authority()];
  scene.atEnd(() => [ours, strange].forEach((authority) => authority.remove()));
  const use = 'serverAuth,clientAuth';
  const files = ({ cert, key }) => ['--node-tls-cert', cert, '--node-tls-key', key, '--node-tls-ca', ours.file('ca.pem')];
  const flags = await nodeFlags(3);
  const pairs = [ours.make('a', { use }), ours.make('b', { use }), strange.make('c', { use })];
  const [owner, other, stranger] = await Promise.all(flags.map((own, at) => scene.chat([...own, ...files(pairs[at])])));
  const path = '/socket.io/?EIO=4&transport=polling';
  const { sid } = JSON.parse((await fetchText(`${owner.url}${path}`)).text.slice(1));
  // The node has told Redis where it is, or does so in a moment.
  await eventually(async () => assert.deepEqual(await fetchText(`${other.url}${path}&sid=${sid}`, { method: 'POST', body: '40' }), { status: 200, text: 'ok' }));
  assert.match((await fetchText(`${other.url}${path}&sid=${sid}`)).text, /^40/);
  // The third has the key, but not the certificate.
  assert.match((await fetchText(`${stranger.url}${path}&sid=${sid}`)).text, /Session ID unknown/);
  await owner.said(/at node-listen somebody is no node of this cluster.*TLS/);
  await stranger.said(/another node of the cluster cannot be reached/);
});

scenario('nodes take new certificates on SIGHUP, and keep the old ones if the new are wrong', async (scene) => {
  const [old, next] = [new Authority(), new Authority()];
  scene.atEnd(() => [old, next].forEach((authority) => authority.remove()));
  const use = 'serverAuth,clientAuth';
  const flags = await nodeFlags(2);
  const folders = ['a', 'b'].map((name) => ({ pair: old.make(name, { use }), after: next.make(name, { use }) }));
  // Each node has files of its own.
  const files = folders.map(({ pair: { cert, key } }) => {
    const ca = `${cert}.ca`;
    copyFileSync(old.file('ca.pem'), ca);
    return { cert, key, ca };
  });
  const [owner, other] = await Promise.all(flags.map((own, at) => scene.chat([...own, '--node-tls-cert', files[at].cert, '--node-tls-key', files[at].key, '--node-tls-ca', files[at].ca])));
  const path = '/socket.io/?EIO=4&transport=polling';
  const open = async () => JSON.parse((await fetchText(`${owner.url}${path}`)).text.slice(1)).sid;
  const post = (sid, body) => fetchText(`${other.url}${path}&sid=${sid}`, { method: 'POST', body });
  const [sid, ...more] = await Promise.all([1, 2, 3, 4].map(open));
  for (const it of [sid, ...more]) assert.deepEqual(await post(it, '40'), { status: 200, text: 'ok' });
  writeFileSync(files[0].ca, 'no certificate');
  owner.signal('SIGHUP');
  await owner.said(/new certificates of nodes refused, the old ones stay.*node-tls-ca/);
  assert.deepEqual(await post(sid, '42["stop typing"]'), { status: 200, text: 'ok' });
  // Both have those of another authority now, which nobody trusts who has the old one.
  for (const [at, node] of [owner, other].entries()) {
    copyFileSync(folders[at].after.cert, files[at].cert);
    copyFileSync(folders[at].after.key, files[at].key);
    copyFileSync(next.file('ca.pem'), files[at].ca);
    node.signal('SIGHUP');
    await node.said(/certificates of nodes loaded/);
  }
  // Several at once need new connections.
  const all = await Promise.all([sid, ...more].map((it) => post(it, '42["stop typing"]')));
  assert.deepEqual(all, Array(4).fill({ status: 200, text: 'ok' }));
});

scenario('a node with another key is named in the log, and to administrators', async (scene) => {
  const flags = await nodeFlags(2);
  flags[1][flags[1].indexOf('--cluster-key') + 1] = 'the key of some other cluster ....';
  const token = 'a token of an administrator';
  const [ours, strange] = await Promise.all(flags.map((own) => scene.chat([...own, '--admin-token', token])));
  for (const [node, other] of [[ours, flags[1]], [strange, flags[0]]]) {
    const address = other[other.indexOf('--node-listen') + 1];
    await node.said(new RegExp(`another node has another cluster-key.*${address}|${address}.*another node has another cluster-key`));
    const answer = await fetch(`${node.url}/admin/policy`, { headers: { authorization: `Bearer ${token}` } });
    assert.deepEqual((await answer.json()).nodes, [{ address, state: 'other-key' }]);
    const metrics = await fetch(`${node.url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
    assert.match(await metrics.text(), /^parlance_peers\{state="other-key"\} 1$/m);
  }
});

scenario('nodes find each other at a Redis', async (scene) => {
  const redis = await startRedis();
  scene.atEnd(() => redis.stop());
  const flags = (await nodeFlags(2)).map((own) => [...own.slice(0, own.indexOf('--nodes')), '--cluster', redis.url]);
  const [owner, other] = [await scene.chat(flags[0]), await scene.chat(flags[1])];
  const path = '/socket.io/?EIO=4&transport=polling';
  const { sid } = JSON.parse((await fetchText(`${owner.url}${path}`)).text.slice(1));
  assert.deepEqual(await fetchText(`${other.url}${path}&sid=${sid}`, { method: 'POST', body: '40' }), { status: 200, text: 'ok' });
  assert.match((await fetchText(`${other.url}${path}&sid=${sid}`)).text, /^40/);
});

scenario('haproxy sends each client to its node by the cookie io', async (scene) => {
  const nodes = await Promise.all([0, 1].map(() => scene.chat(['--trusted-proxies', 'loopback', '--cookie', 'io'])));
  const proxy = await startProxy(scene, BY_COOKIE, nodes.map(({ port }) => port), ['http']);
  for (let client = 0; client < 6; client += 1) {
    const path = `${proxy.http}/socket.io/?EIO=4&transport=polling`;
    const opened = await fetch(path);
    const cookie = opened.headers.get('set-cookie');
    const { sid } = JSON.parse((await opened.text()).slice(1));
    assert.equal(cookie, `io=${sid}; Path=/; HttpOnly; SameSite=Lax`);
    for (let request = 0; request < 6; request += 1) {
      const posted = await fetch(`${path}&sid=${sid}`, { method: 'POST', body: request ? '42["stop typing"]' : '40', headers: { Cookie: `io=${sid}` } });
      assert.equal(posted.status, 200, `client ${client}, request ${request}`);
    }
  }
});

scenario('haproxy and the cookie io: pages of every generation, and a program that keeps cookies, stay with their node', async (scene) => {
  const redis = await startRedis();
  scene.atEnd(() => redis.stop());
  const token = 'a token of an administrator';
  // One chat, and no key: a request at the wrong node ends the session.
  const args = ['--trusted-proxies', 'loopback', '--cookie', 'io', '--cluster', redis.url, '--admin-token', token, ...BRISK];
  const nodes = [await scene.chat(args), await scene.chat(args)];
  for (const node of nodes) await node.said(/connected to Redis/);
  const proxy = await startProxy(scene, BY_COOKIE, nodes.map(({ port }) => port), ['http']);
  const kinds = [...BUNDLES, '0.9.17'].flatMap((generation) => ['xhr-polling', 'websocket', ...(generation.startsWith('0.') ? [] : ['upgrade'])].map((wire) => ({ generation, wire })));
  const everybody = [];
  for (const { generation, wire } of kinds) {
    // Each in a window of its own, which has cookies of its own.
    const page = await scene.page({ generation, home: proxy.http });
    everybody.push(await scene.adopt(page.open({ url: proxy.http, wire })));
  }
  // In Node, the client of today keeps cookies if it is told to.
  for (const wire of ['xhr-polling', 'upgrade']) everybody.push(await scene.client(proxy.http, { generation: '4.8.4', wire, name: `${wire} in Node`, options: { withCredentials: true } }));
  const sessions = await Promise.all(nodes.map(async ({ url }) => (await (await fetch(`${url}/admin/policy`, { headers: { authorization: `Bearer ${token}` } })).json()).now.sessions));
  assert.ok(sessions.every((count) => count > 0), `sessions of the nodes: ${sessions}`);
  await joinAll(everybody);
  await exchangeNumbers(everybody, 10);
  for (const client of everybody) {
    await settled(client);
    assert.deepEqual(client.log.all('disconnect'), [], client.name);
  }
});

/** The elements of an XML text, each with its attributes and children; throws if it is not well-formed. For what the sample has. */
function elements(text) {
  const root = { name: '', attributes: {}, children: [] };
  const open = [root];
  const bare = text.replace(/^<\?xml[^>]*\?>/, '').replace(/<!--(?:(?!--)[^])*-->/g, '');
  const tag = /<(\/?)([A-Za-z]+)((?:\s+[A-Za-z]+="[^"<]*")*)\s*(\/?)>/g;
  assert.equal(bare.replace(tag, '').trim(), '', 'there is nothing but elements');
  for (const [, ends, name, attributes, isEmpty] of bare.matchAll(tag)) {
    if (ends) {
      assert.equal(open.pop().name, name);
      continue;
    }
    const pairs = [...attributes.matchAll(/([A-Za-z]+)="([^"]*)"/g)].map(([, key, value]) => [key, value]);
    assert.equal(new Set(pairs.map(([key]) => key)).size, pairs.length, `${name}: each attribute once`);
    const element = { name, attributes: Object.fromEntries(pairs), children: [] };
    open.at(-1).children.push(element);
    if (!isEmpty) open.push(element);
  }
  assert.equal(open.length, 1, 'all are closed');
  return root.children;
}

// IIS runs on Windows alone: this is what can be said of the sample elsewhere.
test('the sample for IIS with ARR is XML, and says what docs/cluster.md says of it', () => {
  const [configuration, ...more] = elements(readFileSync(new URL('../../hosting/nodes/applicationHost.config', import.meta.url), 'utf8'));
  assert.deepEqual([configuration.name, more], ['configuration', []]);
  const inside = ({ children }, name) => children.filter((child) => child.name === name);
  const [farm] = inside(inside(configuration, 'webFarms')[0], 'webFarm');
  const servers = inside(farm, 'server');
  assert.equal(farm.attributes.enabled, 'true');
  assert.equal(new Set(servers.map(({ attributes }) => attributes.address)).size, 2, 'two nodes');
  for (const server of servers) assert.equal(inside(server, 'applicationRequestRouting')[0].attributes.httpPort, '3000');
  const [routing] = inside(farm, 'applicationRequestRouting');
  const of = (name) => inside(routing, name)[0].attributes;
  assert.equal(of('affinity').useCookie, 'false', 'each request to any of them');
  assert.equal(of('loadBalancing').algorithm, 'WeightedRoundRobin');
  assert.equal(of('healthCheck').url.endsWith('/readyz'), true);
  const seconds = (time) => time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  assert.ok(seconds(of('protocol').timeout) > 45, 'longer than ping-interval and ping-timeout together');
  assert.equal(inside(inside(routing, 'protocol')[0], 'cache')[0].attributes.enabled, 'false');
});
