// One room with every generation over every transport it has in Node.

import assert from 'node:assert/strict';
import { everyKind } from './lib/clients.mjs';
import { CORPUS, LONE_SURROGATES } from './lib/corpus.mjs';
import { exchange, exchangeNumbers, joinAll, login } from './lib/room.mjs';
import { scenario } from './lib/scenario.mjs';

scenario('everybody hears everybody, whatever they write', async (scene) => {
  const { url } = await scene.chat();
  const everybody = await scene.clients(url, everyKind());
  for (const client of everybody) assert.equal(client.transport(), client.spec.wire, client.name);
  await joinAll(everybody);
  await exchange(everybody, CORPUS);
});

scenario('a burst of messages arrives whole and in order', async (scene) => {
  const { url } = await scene.chat();
  const everybody = await scene.clients(url, everyKind());
  await joinAll(everybody);
  await exchangeNumbers(everybody, 100);
});

scenario('joining, typing and leaving are told to everybody else', async (scene) => {
  const { url } = await scene.chat();
  const everybody = await scene.clients(url, everyKind());
  await joinAll(everybody);
  const [observer] = everybody;
  for (const [n, client] of everybody.slice(1).entries()) {
    const fromClient = ({ username }) => username === client.name;
    for (const event of ['typing', 'stop typing']) {
      await client.emit(event);
      await Promise.all(everybody.filter((other) => other !== client).map((other) => other.until(event, fromClient)));
      assert.equal(client.log.all(event).filter(([data]) => fromClient(data)).length, 0, `${client.name} must not hear its own ${event}`);
    }
    if (n % 2) continue;
    await client.disconnect();
    const [{ numUsers }] = await observer.until('user left', fromClient);
    everybody.splice(everybody.indexOf(client), 1);
    assert.equal(numUsers, everybody.length);
  }
});

scenario('half a surrogate pair harms nobody', async (scene) => {
  const { url } = await scene.chat();
  const everybody = await scene.clients(url, everyKind());
  const listeners = await scene.clients(url, [
    { generation: '1.0.6', wire: 'xhr-polling', name: 'first listener' },
    { generation: '4.8.4', wire: 'websocket', name: 'second listener' },
  ]);
  await joinAll([...everybody, ...listeners]);
  for (const sender of everybody) {
    for (const text of LONE_SURROGATES) await sender.emit('new message', text);
  }
  await exchangeNumbers(listeners, 10);
  for (const sender of everybody) {
    await sender.emit('new message', 'still here');
    for (const listener of listeners) {
      await listener.until('new message', ({ username, message }) => username === sender.name && message === 'still here');
    }
  }
  for (const listener of listeners) {
    for (const [{ username, message }] of listener.log.all('new message')) {
      assert.ok(message.isWellFormed(), `${username} reached ${listener.name} with half a pair`);
    }
    assert.deepEqual(listener.log.all('disconnect'), []);
  }
});

scenario('a message before the login is refused, and a second login ignored', async (scene) => {
  const { url } = await scene.chat();
  const everybody = await scene.clients(url, everyKind());
  // what is refused is answered a second later
  await Promise.all(everybody.map(async (client) => {
    await client.emit('new message', 'too early');
    const [error] = await client.until('message error');
    assert.equal(typeof error.reason, 'string', client.name);
  }));
  await joinAll(everybody);
  // A stock page reads why, from the server itself.
  for (const client of everybody) {
    const said = client.log.all('new message').map(([{ username, message }]) => [username, message]);
    assert.deepEqual(said, [['parlance', 'choose a name first']], client.name);
  }
  const [first] = everybody;
  await first.emit('add user', 'somebody else');
  await exchangeNumbers(everybody, 1);
  assert.equal(first.log.all('login').length, 1);
  await login(await scene.client(url, { generation: '4.8.4', wire: 'websocket', name: 'late' }));
  const [{ numUsers }] = await first.until('user joined', ({ username }) => username === 'late');
  assert.equal(numUsers, everybody.length + 1);
});
