// The policy as published clients meet it: what is not allowed, what is full, and what changes while they talk.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GENERATIONS, everyKind } from './lib/clients.mjs';
import { exchangeNumbers, joinAll, login } from './lib/room.mjs';
import { scenario } from './lib/scenario.mjs';

const FIRST = '0.9.17';
const ALL = [FIRST, ...GENERATIONS];
const REFUSED = ['connect_error', 'connect_failed', 'error'];

/** A client that is expected to fail; resolves with the event that says so. */
async function refused(scene, url, spec) {
  const client = scene.attempt(url, spec);
  const event = await client.until([...REFUSED, 'connect']);
  assert.equal(client.log.all('connect').length, 0, `${client.name} must not get in`);
  return event;
}

const TOKEN = 'a secret of sixteen and more';

/** What an operator reads of a running server: `{ now, refused, ... }`. */
async function counts(url) {
  const answer = await fetch(`${url}/admin/policy`, { headers: { Authorization: `Bearer ${TOKEN}` } });
  assert.equal(answer.status, 200);
  return answer.json();
}

/** A settings file that the test writes anew. */
function settingsFile(scene) {
  const folder = mkdtempSync(join(tmpdir(), 'policy-'));
  scene.atEnd(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'transports.toml');
  return { path, write: (text) => writeFileSync(path, text) };
}

scenario('websocket alone: it carries every generation directly, and polling is refused to each', async (scene) => {
  const { url } = await scene.chat(['--transports', 'websocket']);
  const direct = await scene.clients(url, everyKind(ALL, ['websocket']));
  await joinAll(direct);
  await exchangeNumbers(direct, 5);
  // 0.9 reads in the handshake what there is, and asks for nothing else
  await Promise.all(everyKind(GENERATIONS, ['xhr-polling']).map((kind) => refused(scene, url, kind)));
  const first = scene.attempt(url, { generation: FIRST, wire: 'xhr-polling' });
  await first.until('connect_failed');
  assert.equal(first.log.all('connect').length, 0);
});

scenario('polling alone: nobody upgrades, and websocket is refused to each', async (scene) => {
  const server = await scene.chat(['--transports', 'polling', '--log', 'debug']);
  const everybody = await scene.clients(server.url, everyKind(ALL, ['xhr-polling']));
  const upgraders = await scene.clients(server.url, everyKind(GENERATIONS, ['upgrade']));
  await joinAll([...everybody, ...upgraders]);
  await exchangeNumbers([...everybody, ...upgraders], 5);
  for (const client of upgraders) assert.equal(client.transport(), 'xhr-polling', client.name);
  assert.ok(!server.stderr.includes('probing'), 'nobody was told to try');
  await Promise.all(everyKind(GENERATIONS, ['websocket']).map((kind) => refused(scene, server.url, kind)));
});

scenario('when all WebSockets are taken the rest stays on polling', async (scene) => {
  const { url } = await scene.chat(['--max-websockets', '3']);
  const lucky = await scene.clients(url, everyKind(['4.8.4', '2.5.0', FIRST], ['websocket']));
  const rest = await scene.clients(url, everyKind(GENERATIONS, ['upgrade']));
  await joinAll([...lucky, ...rest]);
  await exchangeNumbers([...lucky, ...rest], 5);
  for (const client of rest) {
    assert.equal(client.transport(), 'xhr-polling', client.name);
    assert.equal(client.log.all('upgrade failed').length, 0, `${client.name} was not offered any`);
  }
  await lucky[0].disconnect();
  await rest[0].until('user left', ({ username }) => username === lucky[0].name);
  const late = await scene.client(url, { generation: '4.8.4', wire: 'upgrade', name: 'late' });
  await late.until('upgrade');
});

scenario('a new policy moves those who must go, and nobody else notices', async (scene) => {
  const file = settingsFile(scene);
  file.write('transports = ["websocket", "polling"]\n');
  const server = await scene.chat(['--config', file.path]);
  const stay = await scene.clients(server.url, everyKind(ALL, ['websocket']));
  // 0.9 thinks of another transport when it has tried that of the first handshake often enough
  const move = await scene.clients(server.url, [
    { generation: FIRST, wire: 'xhr-polling,websocket', name: '0.9 mover', reconnect: true, maxAttempts: 2, connectTimeout: 3000 },
    ...['2.5.0', '4.8.4'].map((generation) => ({ generation, wire: 'xhr-polling', name: `${generation} mover`, reconnect: true })),
  ]);
  await joinAll([...stay, ...move]);
  const place = move[0].log.position;
  file.write('transports = ["websocket"]\n');
  await Promise.all(move.map((client) => client.until('disconnect')));
  await exchangeNumbers(stay, 5);
  for (const client of stay) assert.equal(client.log.all('disconnect').length, 0, client.name);
  const [first, ...others] = move;
  await first.connected(place);
  assert.equal(first.transport(), 'websocket', 'it came back by what is allowed');
  await login(first);
  await exchangeNumbers([...stay, first], 5);
  // those who know nothing else keep asking, at their own pace, and get in when they may again
  await Promise.all(others.map((client) => client.until(REFUSED)));
  const from = others.map((client) => client.log.position);
  file.write('transports = ["websocket", "polling"]\n');
  await Promise.all(others.map((client, n) => client.until('connect', undefined, { from: from[n] })));
  await Promise.all(others.map(login));
  await exchangeNumbers([...stay, ...move], 5);
  assert.equal(first.log.all('disconnect').length, 1, 'it was moved once');
});

scenario('who talks too fast, or too much, is told so and stays', async (scene) => {
  const { url } = await scene.chat(['--admin-token', TOKEN, '--message-max', '10000'], { messageRate: '1', byteRate: '5000' });
  const hasty = await scene.clients(url, everyKind(['1.7.4', '4.8.4'], ['websocket']));
  await joinAll(hasty);
  for (const client of hasty) {
    await client.emitEach('new message', Array.from({ length: 30 }, (_, n) => `${n}`));
    const [told] = await client.until('message error');
    assert.equal(told.reason, 'rate');
    assert.match(told.message, /^too many messages at once: wait \d+ s$/);
  }
  const [wordy] = await scene.clients(url, [{ generation: '4.8.4', wire: 'xhr-polling', name: 'wordy' }]);
  await login(wordy);
  for (let n = 0; n < 3; n += 1) await wordy.emit('new message', 'x'.repeat(4900));
  const [told] = await wordy.until('message error');
  assert.match(told.message, /^too much text at once: wait \d+ s$/);
  assert.equal((await wordy.call('new message', 'a little'))[0].ok, true, 'a little still fits');
  const { refused } = await counts(url);
  assert.ok(refused['message-rate'] >= 2 && refused['byte-rate'] >= 1, JSON.stringify(refused));
});

scenario('when all sessions are taken the next one waits, and gets in when somebody leaves', async (scene) => {
  const { url } = await scene.chat(['--max-sessions', '2', '--admin-token', TOKEN]);
  const [first, second] = await scene.clients(url, everyKind(['4.8.4', FIRST], ['websocket']));
  await joinAll([first, second]);
  const waiting = everyKind(['1.7.4', '4.8.4']).map((kind) => scene.attempt(url, { ...kind, reconnect: true }));
  await Promise.all(waiting.map((client) => client.until(REFUSED)));
  const old = scene.attempt(url, { generation: FIRST, wire: 'xhr-polling' });
  const [why] = await old.until('error');
  assert.match(why, /^handshake error: all 2 sessions are taken; allowed transports: websocket, /);
  assert.ok((await counts(url)).refused.sessions > waiting.length);
  let leaving = first;
  for (let left = waiting; left.length; ) {
    await leaving.disconnect();
    leaving = await Promise.race(left.map((client) => client.until('connect').then(() => client)));
    left = left.filter((client) => client !== leaving);
  }
  await login(leaving);
  await exchangeNumbers([second, leaving], 5);
});

scenario('who shakes hands too often is told so, and gets in later', async (scene) => {
  const { url } = await scene.chat(['--handshake-rate', '1', '--admin-token', TOKEN]);
  const kinds = ['1.7.4', '2.5.0', '3.1.3', '4.8.4'].flatMap((generation) => everyKind([generation]).flatMap((kind) => [kind, { ...kind, name: `${kind.name} again` }]));
  const everybody = kinds.map((kind) => scene.attempt(url, { ...kind, reconnect: true }));
  await Promise.all(everybody.map((client) => client.connected()));
  assert.ok(everybody.some((client) => REFUSED.some((event) => client.log.all(event).length)), 'not all came in at once');
  assert.ok((await counts(url)).refused['handshake-rate'] > 0);
  await joinAll(everybody);
  await exchangeNumbers(everybody, 3);
});
