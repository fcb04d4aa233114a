// What the examples show, with the clients of today and old ones.

import assert from 'node:assert/strict';
import { BYTES, same } from './lib/echo.mjs';
import { scenario } from './lib/scenario.mjs';

/** The newest client over WebSocket, and an old one that polls. */
const PAIR = [
  { generation: '4.8.4', wire: 'websocket' },
  { generation: '2.1.1', wire: 'xhr-polling' },
];

/** Two clients of each other's kind, both ways around. */
function bothWays(title, name, events, body) {
  for (const kinds of [PAIR, PAIR.toReversed()]) {
    scenario(`${title}: ${kinds[0].generation} and ${kinds[1].generation}`, async (scene) => {
      const server = await scene.example(name);
      const spec = (kind) => ({ ...kind, events });
      await body(scene, server.url, spec(kinds[0]), spec(kinds[1]));
    });
  }
}

const CHAT = ['login', 'user joined', 'user left', 'new message', 'typing', 'stop typing', 'chat message'];

bothWays('socketio_chat', 'socketio_chat', CHAT, async (scene, url, ...specs) => {
  const [ann, bob] = await scene.clients(url, specs);
  await ann.emit('new message', 'nobody said who');
  await ann.emit('add user', 'Ann');
  assert.deepEqual(await ann.until('login'), [{ numUsers: 1 }]);
  assert.deepEqual(await bob.until('user joined'), [{ username: 'Ann', numUsers: 1 }]);
  await bob.emit('add user', 'Bob');
  assert.deepEqual(await bob.until('login'), [{ numUsers: 2 }]);
  await ann.emit('typing');
  assert.deepEqual(await bob.until('typing'), [{ username: 'Ann' }]);
  await ann.emit('new message', 'hi');
  assert.deepEqual(await bob.until('new message'), [{ username: 'Ann', message: 'hi' }]);
  assert.equal(bob.log.all('new message').length, 1);
  await bob.call('chat message', 'for all');
  assert.deepEqual(await ann.until('chat message'), ['for all']);
  assert.deepEqual(await bob.until('chat message'), ['for all']);
  assert.deepEqual(ann.log.all('new message'), []);
  await ann.disconnect();
  assert.deepEqual(await bob.until('user left'), [{ username: 'Ann', numUsers: 1 }]);
});

bothWays('socketio_rooms', 'socketio_rooms', ['joined', 'left', 'said'], async (scene, url, ...specs) => {
  const [ann, bob, eve] = await scene.clients(url, [...specs, { ...specs[0], name: 'third' }]);
  const [annIn] = await ann.call('join', 'red');
  assert.deepEqual(annIn.slice(1), ['red']);
  const [bobIn] = await bob.call('join', 'red');
  assert.deepEqual(await ann.until('joined'), ['red', bobIn[0]]);
  await bob.call('join', 'blue');
  await eve.call('join', 'blue');
  await eve.call('join', 'muted');
  await ann.emit('say', ['red', 'blue'], 'hi');
  assert.deepEqual(await bob.until('said'), [annIn[0], 'hi']);
  const [there] = await ann.call('who', 'red');
  assert.deepEqual(there.toSorted(), [annIn[0], bobIn[0]].toSorted());
  await ann.call('merge', 'blue', 'green');
  const [green] = await ann.call('who', 'green');
  assert.equal(green.length, 2);
  assert.ok(green.includes(bobIn[0]));
  assert.deepEqual(await bob.call('leave', 'blue'), [[bobIn[0], 'red', 'green']]);
  await bob.disconnect();
  assert.deepEqual(await ann.until('left'), ['red', bobIn[0]]);
  // Once to who is in both rooms, not to who is muted, not to who says it.
  await eve.call('who', 'red');
  for (const [client, count] of [[ann, 0], [bob, 1], [eve, 0]]) {
    assert.equal(client.log.all('said').length, count, client.name);
  }
});

bothWays('socketio_ask', 'socketio_ask', ['answer'], async (scene, url, ...specs) => {
  const asked = specs.map((spec) => ({ ...spec, echoes: ['question'] }));
  const [ann, bob] = await scene.clients(url, asked);
  const silent = await scene.client(url, { ...specs[1], name: 'silent' });
  await ann.emit('ask', 'one', BYTES);
  same(await ann.until('answer'), ['one', BYTES], ann);
  const [all] = await bob.call('ask all', 'everybody?');
  assert.deepEqual(all.answers, ['everybody?', 'everybody?']);
  assert.equal(all.missing.length, 1);
  // Until 3.0, the id of a socket is that of its session.
  if (silent.spec.generation === '2.1.1') assert.deepEqual(all.missing, [silent.sessionId()]);
});

bothWays('socketio_upload', 'socketio_upload', ['uploaded'], async (scene, url, ...specs) => {
  const [ann, bob] = await scene.clients(url, specs);
  const upload = { name: 'a.txt', parts: [Buffer.from('first'), BYTES] };
  assert.deepEqual(await ann.call('upload', upload), [{ bytes: 5 + BYTES.length }]);
  same(await bob.until('uploaded'), [upload], bob);
  same(await bob.call('download', 'a.txt'), [upload], bob);
  assert.deepEqual(await bob.call('download', 'b.txt'), [null]);
  const [refused] = await bob.call('upload', { name: 'c.txt', parts: 7 });
  assert.match(refused.error, /wrong arguments/);
});

scenario('socketio_auth: who may join, and what they may send', async (scene) => {
  const { url } = await scene.example('socketio_auth');
  const [modern, old] = PAIR.map((kind) => ({ ...kind, namespace: '/members', events: ['welcome', 'written'] }));
  // 3.0 and later hear the data as well; before, a refusal is the data, or else the message.
  const refusal = async (spec) => (await scene.attempt(url, spec).until(['connect_error', 'error']))[0];
  assert.deepEqual(await refusal(modern), { message: 'no token', data: { login: '/login' } });
  const unknown = { message: 'unknown token', data: { code: 401 } };
  assert.deepEqual(await refusal({ ...modern, auth: { token: 'made up' } }), unknown);
  assert.deepEqual(await refusal(old), { login: '/login' });

  const ann = await scene.client(url, { ...modern, auth: { token: "ann's token" } });
  const bob = await scene.client(url, { ...old, query: { token: "bob's token" } });
  assert.deepEqual(await ann.until('welcome'), ['Ann']);
  assert.deepEqual(await bob.until('welcome'), ['Bob']);
  assert.deepEqual(await bob.call('write', 'not mine'), ['you may only read']);
  assert.deepEqual(await ann.call('write', 'hi'), ['ok']);
  assert.deepEqual(await bob.until('written'), ['hi']);
  assert.deepEqual(ann.log.all('written'), []);
});

scenario('socketio_axum: one server, with routes of its own', async (scene) => {
  const { url } = await scene.example('socketio_axum');
  const everybody = await scene.clients(url, [...PAIR, { generation: '4.8.4', wire: 'upgrade' }].map((kind) => ({ ...kind, events: ['notice'] })));
  for (const client of everybody) same(await client.call('echo', 'hi', BYTES), ['hi', BYTES], client);
  assert.equal(await (await fetch(url)).text(), 'a page of axum\n');
  const sent = await fetch(`${url}/notices`, { method: 'POST', body: 'tea is ready' });
  assert.equal(await sent.text(), 'sent\n');
  for (const client of everybody) assert.deepEqual(await client.until('notice'), ['tea is ready'], client.name);
  assert.equal((await fetch(`${url}/else`)).status, 404);
});
