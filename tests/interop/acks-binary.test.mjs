// Acknowledgements, attachments, namespaces and what a client may say when it joins one.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { everyKind, hasAuth } from './lib/clients.mjs';
import { CORPUS } from './lib/corpus.mjs';
import { scenario } from './lib/scenario.mjs';

const bytes = (length, at) => Buffer.from(Array.from({ length }, (_, n) => at(n)));
const BYTES = bytes(256, (n) => n);

/** Arguments with no attachment, one, several, nested ones, and an empty one. */
const ARGUMENTS = [
  [],
  ['text', 1, -1.5, true, null, [], {}, { nested: [{ deep: 'value' }] }],
  CORPUS,
  [BYTES],
  ['first', BYTES, { second: bytes(3, (n) => 9 - n), list: ['x', [bytes(7, (n) => 249 + n)]] }, 'last'],
  [{ empty: bytes(0) }, bytes(70_000, (n) => n % 251)],
];

scenario('the chat acknowledges when asked to', async (scene) => {
  const { url } = await scene.chat();
  const everybody = await scene.clients(url, everyKind());
  for (const client of everybody) {
    const [early] = await client.call('new message', 'too early');
    assert.equal(early.ok, false, client.name);
    assert.equal(typeof early.reason, 'string', client.name);
    const [joined] = await client.call('add user', client.name);
    assert.equal(joined.ok, true, client.name);
    const [sent] = await client.call('new message', 'in time');
    assert.equal(sent.ok, true, client.name);
  }
});

scenario('arguments come back in acknowledgements and events, bytes as bytes', async (scene) => {
  const { url } = await scene.example('socketio_echo');
  const everybody = await scene.clients(url, everyKind().map((kind) => ({ ...kind, events: ['message-back'] })));
  await Promise.all(
    everybody.map(async (client) => {
      for (const args of ARGUMENTS) {
        same(await client.call('message-with-ack', ...args), args, client, 'acknowledgement');
        const from = client.log.position;
        await client.emit('message', ...args);
        same(await client.until('message-back', undefined, { from }), args, client, 'event');
      }
    }),
  );
});

scenario('the server asks and the client acknowledges, bytes as bytes', async (scene) => {
  const { url } = await scene.example('socketio_ask');
  const everybody = await scene.clients(url, everyKind().map((kind) => ({ ...kind, events: ['answer'], echoes: ['question'] })));
  await Promise.all(
    everybody.map(async (client) => {
      for (const args of ARGUMENTS) {
        const from = client.log.position;
        await client.emit('ask', ...args);
        same(await client.until('question', undefined, { from }), args, client, 'question');
        same(await client.until('answer', undefined, { from }), args, client, 'answer');
      }
    }),
  );
});

scenario('two namespaces over one connection do not hear each other', async (scene) => {
  const { url } = await scene.example('socketio_echo');
  const events = ['auth', 'message-back'];
  const everybody = await scene.clients(url, everyKind().map((kind) => ({ ...kind, events })));
  for (const client of everybody) {
    const custom = await scene.adopt(client.join('/custom'));
    await custom.until('auth');
    same(await custom.call('message-with-ack', 'c', BYTES), ['c', BYTES], custom);
    await custom.emit('message', 'to custom');
    await client.emit('message', 'to root');
    same(await custom.until('message-back'), ['to custom'], custom);
    same(await client.until('message-back'), ['to root'], client);
    await custom.disconnect();
    same(await client.call('message-with-ack', 'alive'), ['alive'], client);
    assert.equal(client.log.all('message-back').length, 1, client.name);
    assert.deepEqual(client.log.all('disconnect'), [], client.name);
  }
});

const ANSWERS_QUERY = ['1.7.4', '2.1.1', '2.5.0'];

scenario('what a client says when it joins reaches the server', async (scene) => {
  const { url } = await scene.example('socketio_echo');
  const said = { token: 'a b&c=\u00e9\ud55c\u{1f600}' };
  for (const kind of everyKind()) {
    if (hasAuth(kind.generation)) {
      for (const namespace of ['/', '/custom']) {
        const client = await scene.client(url, { ...kind, namespace, auth: said, events: ['auth'] });
        same(await client.until('auth'), [said], client, namespace);
      }
    } else if (ANSWERS_QUERY.includes(kind.generation)) {
      const client = await scene.client(url, { ...kind, namespace: '/custom', query: said, events: ['auth'] });
      const [heard] = await client.until('auth');
      assert.equal(heard.token, said.token, client.name);
    }
  }
});

scenario('an unknown namespace is refused and the others live on', async (scene) => {
  const { url } = await scene.example('socketio_echo');
  for (const client of await scene.clients(url, everyKind())) {
    const unknown = client.join('/nowhere');
    const [refusal] = await unknown.until(hasAuth(client.spec.generation) ? 'connect_error' : 'error');
    assert.equal(refusal.message ?? refusal, 'Invalid namespace', client.name);
    same(await client.call('message-with-ack', 'alive'), ['alive'], client);
    assert.deepEqual(unknown.log.all('connect'), [], client.name);
  }
});

/**
 * Like deepEqual, but a Buffer, an ArrayBuffer and a typed array of the same bytes are the same. 1.0.6 on today's Node
 * fills what it sends with zeros (in browsers it does not): there only the places of attachments are compared.
 */
function same(actual, expected, client, what = '') {
  const legible = client.spec.generation === '1.0.6' ? () => 'bytes' : legibleBytes;
  assert.deepEqual(mapBytes(actual, legible), mapBytes(expected, legible), `${client.name} ${what}`);
}

function legibleBytes(buffer) {
  const hex = Buffer.from(buffer.buffer ?? buffer, buffer.byteOffset, buffer.byteLength).toString('hex');
  return hex.length <= 1000 ? `bytes ${hex}` : `${buffer.byteLength} bytes, sha256 ${createHash('sha256').update(hex).digest('hex')}`;
}

/** A copy of `value` with `change` applied to all bytes in it. */
function mapBytes(value, change) {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return change(value);
  if (Array.isArray(value)) return value.map((inner) => mapBytes(inner, change));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mapBytes(inner, change)]));
}
