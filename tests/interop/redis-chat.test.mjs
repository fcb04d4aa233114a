// The chat server and its Redis: what balancers are told while it is away, and TLS to it.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { Authority } from './lib/certificates.mjs';
import { startRedis } from './lib/redis.mjs';
import { scenario } from './lib/scenario.mjs';

const [authority, strange] = [new Authority(), new Authority()];
after(() => [authority, strange].forEach((it) => it.remove()));

const status = async ({ url }, path) => (await fetch(url + path)).status;

/** Resolves when `path` answers so. */
async function answers(server, path, wanted) {
  for (let tries = 0; ; tries++) {
    const got = await status(server, path);
    if (got === wanted) return;
    assert.ok(tries < 600, `${path} is ${got}, not ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

for (const adapter of ['redis', 'redis-sharded', 'redis-streams']) {
  scenario(`${adapter}, ready-alone = false: while Redis is away a node is healthy, and not ready`, async (scene) => {
    const redis = await startRedis();
    scene.atEnd(() => redis.stop());
    const args = ['--cluster', redis.url, '--cluster-adapter', adapter];
    const [strict, usual] = [await scene.chat([...args, '--ready-alone', 'false']), await scene.chat(args)];
    for (const node of [strict, usual]) await answers(node, '/readyz', 200);
    const ann = await scene.client(strict.url, { generation: '4.8.4', wire: 'websocket', name: 'ann' });
    redis.pause();
    await answers(strict, '/readyz', 503);
    assert.deepEqual([await status(strict, '/healthz'), await status(usual, '/healthz'), await status(usual, '/readyz')], [200, 200, 200]);
    // Who is there stays, and who comes all the same gets in.
    await scene.client(strict.url, { generation: '2.5.0', wire: 'xhr-polling', name: 'late' });
    redis.resume();
    await answers(strict, '/readyz', 200);
    assert.equal(await status(strict, '/healthz'), 200);
    assert.deepEqual(ann.log.all('disconnect'), []);
  });

  scenario(`${adapter} by TLS: nodes are one chat by cluster-ca, and alone without it`, async (scene) => {
    const password = 'key+of/Redis=';
    const redis = await startRedis({ tls: { ...authority.make(`redis-${adapter}`), ca: authority.file('ca.pem') }, password });
    scene.atEnd(() => redis.stop());
    assert.match(redis.url, /^rediss:/);
    const args = ['--cluster', redis.url, '--cluster-adapter', adapter, '--ready-alone', 'false'];
    const trusting = ['--cluster-ca', authority.file('ca.pem')];
    const nodes = [await scene.chat([...args, ...trusting]), await scene.chat([...args, ...trusting])];
    for (const node of nodes) {
      await node.said(/connected to Redis/);
      await answers(node, '/readyz', 200);
    }
    const [ann, bob] = await Promise.all(nodes.map(({ url }, at) => scene.client(url, { generation: '4.8.4', wire: 'websocket', name: ['ann', 'bob'][at] })));
    await ann.emit('add user', 'ann');
    await bob.emit('add user', 'bob');
    for (const one of [ann, bob]) await one.until('login');
    for (const [speaker, hearer] of [[ann, bob], [bob, ann]]) {
      // Until the nodes know each other.
      for (let tries = 0; hearer.log.all('new message').length === 0; tries++) {
        assert.ok(tries < 200, `${hearer.name} hears nothing`);
        await speaker.emit('new message', 'by TLS');
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.deepEqual(hearer.log.all('new message')[0], [{ username: speaker.name, message: 'by TLS' }]);
    }
    for (const wrong of [[], ['--cluster-ca', strange.file('ca.pem')]]) {
      const node = await scene.chat([...args, ...wrong]);
      await node.said(/Redis is away: this node is alone.*invalid peer certificate/);
      assert.equal(await status(node, '/readyz'), 503);
      assert.equal(node.stderr.includes(password), false, 'the log has no password');
    }
  });
}
