// Ends of connections, wanted and not: what everybody is told, and who comes back.

import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { createRequire } from 'node:module';
import { everyKind, GENERATIONS } from './lib/clients.mjs';
import { startCrowd } from './lib/crowd.mjs';
import { exchangeNumbers, joinAll, login } from './lib/room.mjs';
import { scenario } from './lib/scenario.mjs';

const WebSocket = createRequire(import.meta.url)('ws');

const OBSERVERS = [
  { generation: '4.8.4', wire: 'websocket', name: 'observer' },
  { generation: '1.7.4', wire: 'xhr-polling', name: 'polling observer' },
];
const SHORT_HEARTBEAT = ['--ping-interval', '1s', '--ping-timeout', '4s'];

scenario('a killed client has left', async (scene) => {
  const { url } = await scene.chat(SHORT_HEARTBEAT);
  const observers = await scene.clients(url, OBSERVERS);
  await joinAll(observers);

  const kinds = everyKind();
  const crowd = await startCrowd(scene, url, kinds, observers.length);
  crowd.kill('SIGKILL');

  for (const observer of observers) {
    await Promise.all(kinds.map((kind) => observer.until('user left', ({ username }) => username === kind.name)));
    const counts = observer.log.all('user left').map(([{ numUsers }]) => numUsers);
    assert.deepEqual(counts, kinds.map((_, n) => kinds.length + observers.length - 1 - n), observer.name);
  }
  await exchangeNumbers(observers, 3);
});

for (const signal of ['SIGTERM', 'SIGKILL']) {
  scenario(`after a restart by ${signal} everybody is back and talks`, async (scene) => {
    const server = await scene.chat();
    const kinds = [...everyKind(), ...everyKind(GENERATIONS, ['upgrade'])].map((kind) => ({ ...kind, reconnect: true }));
    const everybody = await scene.clients(server.url, kinds);
    await joinAll(everybody);
    await exchangeNumbers(everybody, 3);

    const before = new Map(everybody.map((client) => [client, client.log.position]));
    const restarted = server.restart(signal);
    await Promise.all(everybody.map((client) => client.until('disconnect')));
    await restarted;
    await Promise.all(everybody.map((client) => client.connected(before.get(client))));
    await joinAll(everybody);
    await exchangeNumbers(everybody, 3);
  });
}

scenario('a server that is told to end says so to everybody, and ends well', async (scene) => {
  const server = await scene.chat();
  const everybody = await scene.clients(server.url, everyKind());
  await joinAll(everybody);
  const { code, signal } = await server.stop('SIGTERM');
  assert.deepEqual({ code, signal }, { code: 0, signal: null });
  for (const client of everybody) await client.until('disconnect');
});

scenario('a session that is not there is refused, in the words that clients know', async (scene) => {
  const { url } = await scene.chat();
  const observers = await scene.clients(url, OBSERVERS);
  await joinAll(observers);
  for (const sid of ['nosuchsessionatall00', '__proto__', '%00%ff', '../../etc', 'x'.repeat(2000)]) {
    for (const eio of [2, 3, 4]) {
      const query = `EIO=${eio}&sid=${sid}`;
      for (const method of ['GET', 'POST']) {
        const answer = await fetch(`${url}/socket.io/?${query}&transport=polling`, { method, ...(method === 'POST' && { body: '2:40' }) });
        assert.equal(answer.status, 400, `${method} ${query}`);
        assert.deepEqual(await answer.json(), { code: 1, message: 'Session ID unknown' }, `${method} ${query}`);
      }
      const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?${query}&transport=websocket`);
      const [, response] = await once(socket, 'unexpected-response');
      assert.equal(response.statusCode, 400, `upgrade ${query}`);
      response.resume();
    }
  }
  await exchangeNumbers(observers, 3);
});

scenario('a reader that stops reading delays nobody, and is sent away', async (scene) => {
  const { url } = await scene.chat();
  const observers = await scene.clients(url, OBSERVERS);
  await joinAll(observers);
  const [sender, listener] = observers;

  const sleeper = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  scene.atEnd(() => sleeper.terminate());
  await once(sleeper, 'open');
  sleeper.send('40');
  for await (const [packet] of on(sleeper, 'message')) if (String(packet).startsWith('40')) break;
  sleeper.send('42["add user","sleeper"]');
  await sender.until('user joined', ({ username }) => username === 'sleeper');
  sleeper.pause();

  const filler = 'z'.repeat(20_000);
  const inFlight = 20;
  let said = 0;
  for (; sender.log.all('user left').length === 0; said += 1) {
    assert.ok(said < 5000, 'a hundred megabytes later it still has not been sent away');
    await sender.emit('new message', `${said} ${filler}`);
    if (said < inFlight) continue;
    await listener.until('new message', ({ message }) => message.startsWith(`${said - inFlight} `));
  }
  await Promise.all(observers.slice(1).map((one) => one.until('new message', ({ message }) => message.startsWith(`${said - 1} `))));
  await exchangeNumbers(observers, 3);
});

scenario('a client that comes back by itself after its session was lost joins as new', async (scene) => {
  // Its old session still has the name, and a stock page cannot show that it is the same person.
  const { url } = await scene.chat([...SHORT_HEARTBEAT, '--duplicate-names', 'true']);
  const observers = await scene.clients(url, OBSERVERS);
  await joinAll(observers);
  const kinds = everyKind(GENERATIONS, ['xhr-polling']).map((kind) => ({ ...kind, reconnect: true }));
  const everybody = await scene.clients(url, kinds);
  await joinAll(everybody, observers.length);
  await Promise.all(
    everybody.map(async (client) => {
      const from = client.log.position;
      client.forgetSession();
      await client.emit('typing');
      await client.until('disconnect', undefined, { from });
      await client.connected(from);
      await login(client);
    }),
  );
  await exchangeNumbers([...observers, ...everybody], 3);
});
