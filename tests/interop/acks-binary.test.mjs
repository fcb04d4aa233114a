// Acknowledgements, attachments, namespaces and what a client may say when it joins one.

import assert from 'node:assert/strict';
import { everyKind, hasAuth } from './lib/clients.mjs';
import { ASK_EVENTS, BYTES, checkAsk, checkEcho, ECHO_EVENTS, same } from './lib/echo.mjs';
import { scenario } from './lib/scenario.mjs';

scenario('the chat acknowledges when asked to', async (scene) => {
  const { url } = await scene.chat();
  const everybody = await scene.clients(url, everyKind());
  // what is refused is answered a second later
  await Promise.all(everybody.map(async (client) => {
    const [early] = await client.call('new message', 'too early');
    assert.equal(early.ok, false, client.name);
    assert.equal(typeof early.reason, 'string', client.name);
    const [joined] = await client.call('add user', client.name);
    assert.equal(joined.ok, true, client.name);
    const [sent] = await client.call('new message', 'in time');
    assert.equal(sent.ok, true, client.name);
  }));
});

scenario('arguments come back in acknowledgements and events, bytes as bytes', async (scene) => {
  const { url } = await scene.example('socketio_echo');
  const everybody = await scene.clients(url, everyKind().map((kind) => ({ ...kind, ...ECHO_EVENTS })));
  await Promise.all(everybody.map(checkEcho));
});

scenario('the server asks and the client acknowledges, bytes as bytes', async (scene) => {
  const { url } = await scene.example('socketio_ask');
  const everybody = await scene.clients(url, everyKind().map((kind) => ({ ...kind, ...ASK_EVENTS })));
  await Promise.all(everybody.map(checkAsk));
});

scenario('two namespaces over one connection do not hear each other', async (scene) => {
  const { url } = await scene.example('socketio_echo');
  const everybody = await scene.clients(url, everyKind().map((kind) => ({ ...kind, ...ECHO_EVENTS })));
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
        const client = await scene.client(url, { ...kind, namespace, auth: said, ...ECHO_EVENTS });
        same(await client.until('auth'), [said], client, namespace);
      }
    } else if (ANSWERS_QUERY.includes(kind.generation)) {
      const client = await scene.client(url, { ...kind, namespace: '/custom', query: said, ...ECHO_EVENTS });
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
