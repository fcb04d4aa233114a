// Who a visitor is decides what published clients get: rules, the scheme and the origin of their page, how their
// WebSockets fared before.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { closeBrowser } from './lib/browser.mjs';
import { everyKind } from './lib/clients.mjs';
import { PATIENCE } from './lib/log.mjs';
import { exchangeNumbers, joinAll } from './lib/room.mjs';
import { scenario } from './lib/scenario.mjs';

after(closeBrowser);

/** The generations that can be told to send headers of one's own. */
const FREE = ['1.7.4', '2.5.0', '3.1.3', '4.8.4'];
const REFUSED = ['connect_error', 'connect_failed', 'error'];
const TOKEN = 'a secret of sixteen and more';

let marks = 0;

/** `kinds` with headers of their own. */
function withHeaders(kinds, extraHeaders) {
  marks += 1;
  return kinds.map((kind) => ({ ...kind, name: `${kind.name} ${marks}`, tls: { extraHeaders } }));
}

/** Clients that are expected to fail. */
async function refused(scene, url, kinds) {
  const clients = kinds.map((kind) => scene.attempt(url, kind));
  for (const client of clients) {
    await client.until([...REFUSED, 'connect']);
    assert.equal(client.log.all('connect').length, 0, `${client.name} must not get in`);
  }
  return clients;
}

const RULES = `
trusted-proxies = ["loopback"]

[[rules]]
name = "office"
networks = ["192.0.2.0/24"]
transports = ["xhr-polling"]

[[rules]]
name = "kiosk"
agents = ["*Kiosk*"]
transports = ["websocket"]

[[rules]]
name = "partner"
origins = ["https://*.partner.example"]
transports = ["polling"]

[[rules]]
name = "0.9"
paths = ["/socket.io/1/*"]
transports = ["xhr-polling", "websocket"]
`;

scenario('rules by network, user agent, origin and path give lists of their own', async (scene) => {
  const folder = mkdtempSync(join(tmpdir(), 'rules-'));
  scene.atEnd(() => rmSync(folder, { recursive: true }));
  const config = join(folder, 'transports.toml');
  writeFileSync(config, RULES);
  const { url } = await scene.chat(['--config', config]);
  const [upgrading, direct, polling] = ['upgrade', 'websocket', 'xhr-polling'].map((wire) => everyKind(FREE, [wire]));
  const office = { 'X-Forwarded-For': '192.0.2.7' };
  const kiosk = { 'User-Agent': 'Mozilla/5.0 (Kiosk)' };
  const partner = { Origin: 'https://chat.partner.example' };

  const staying = await scene.clients(url, [...withHeaders(upgrading, office), ...withHeaders(upgrading, partner)]);
  const free = await scene.clients(url, [...upgrading, ...withHeaders(upgrading, { 'X-Forwarded-For': '198.51.100.7' })]);
  const kiosks = await scene.clients(url, withHeaders(direct, kiosk));
  const old = await scene.client(url, { generation: '0.9.17', wire: 'websocket,xhr-polling', name: '0.9' });
  await refused(scene, url, [...withHeaders(direct, office), ...withHeaders(direct, partner), ...withHeaders(polling, kiosk)]);

  await Promise.all(free.map((client) => client.until('upgrade')));
  const everybody = [...staying, ...free, ...kiosks, old];
  await joinAll(everybody);
  await exchangeNumbers(everybody, 3);
  for (const client of staying) {
    assert.equal(client.transport(), 'xhr-polling', client.name);
    assert.equal(client.log.all('upgrade failed').length, 0, `${client.name} was not offered any`);
  }
  assert.equal(old.transport(), 'xhr-polling', 'the first of its rule');
});

scenario('a namespace that is kept to websocket is refused to who polls, with the reason', async (scene) => {
  const folder = mkdtempSync(join(tmpdir(), 'rules-'));
  scene.atEnd(() => rmSync(folder, { recursive: true }));
  const config = join(folder, 'transports.toml');
  writeFileSync(config, '[[rules]]\nname = "secret"\nnamespaces = ["/"]\ntransports = ["websocket"]\n');
  const { url } = await scene.chat(['--config', config]);
  const inside = await scene.clients(url, everyKind(FREE, ['websocket']));
  await joinAll(inside);
  const outside = await refused(scene, url, everyKind(FREE, ['xhr-polling']));
  for (const client of outside) {
    const told = JSON.stringify(REFUSED.flatMap((event) => client.log.all(event)));
    assert.match(told, /transport xhr-polling is not allowed here \(rule secret\); allowed: websocket/, client.name);
  }
});

scenario('the scheme of the page decides, for clients of each generation and in both directions', async (scene) => {
  const { url } = await scene.chat(['--match-origin-protocol', '--trusted-proxies', 'loopback']);
  const page = (scheme) => ({ Origin: `${scheme}://chat.example` });
  const reached = { 'X-Forwarded-Proto': 'https' };
  const kinds = everyKind(FREE);
  await refused(scene, url, withHeaders(kinds, page('https')));
  await refused(scene, url, withHeaders(kinds, { ...page('http'), ...reached }));
  const everybody = await scene.clients(url, [...withHeaders(kinds, page('http')), ...withHeaders(kinds, { ...page('https'), ...reached })]);
  await joinAll(everybody);
  await exchangeNumbers(everybody, 3);
});

scenario('a page of another site opens no WebSocket in a visitor\'s browser, and can read why', async (scene) => {
  const { url } = await scene.chat(['--origins', 'same-host']);
  const knock = (base) => {
    const opened = new Promise((resolve) => {
      const socket = new WebSocket(`${base.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
      socket.onopen = () => resolve(true);
      socket.onerror = () => resolve(false);
    });
    const asked = fetch(`${base}/socket.io/?EIO=4&transport=polling`, { credentials: 'include' });
    return Promise.all([opened, asked.then(async (answer) => [answer.status, await answer.text()])]);
  };
  const own = await scene.page({ generation: '4.8.4', home: url });
  const [opened, [status]] = await own.evaluate(knock, url);
  assert.deepEqual([opened, status], [true, 200]);
  const foreign = await scene.page({ generation: '4.8.4' });
  const [hijacked, [refusal, body]] = await foreign.evaluate(knock, url);
  assert.deepEqual([hijacked, refusal], [false, 403]);
  assert.match(JSON.parse(body).reason, /^origin http:\/\/127\.0\.0\.1:\d+ is not allowed here$/);
  // Nor by speaking for a proxy: the browser asks first, and is not allowed to.
  const posing = (base) => fetch(`${base}/socket.io/?EIO=4&transport=polling`, { headers: { 'X-Forwarded-Host': location.host } }).then(() => 'sent', () => 'not sent');
  assert.equal(await foreign.evaluate(posing, url), 'not sent');
});

scenario('the circuit breaker opens where WebSockets carry nothing, is tested, and closes', async (scene) => {
  const server = await scene.chat(['--breaker-failures', '3', '--breaker-rest', '2s', '--admin-token', TOKEN]);
  const proxy = await scene.faultProxy(server, 'cut after 101');
  proxy.strike();
  const status = async () => (await fetch(`${server.url}/admin/policy`, { headers: { Authorization: `Bearer ${TOKEN}` } })).json();
  const generations = ['1.7.4', '2.5.0', '4.8.4'];
  const several = (count, name) => everyKind(generations, ['upgrade']).flatMap((kind) => Array.from({ length: count }, (_, n) => ({ ...kind, name: `${kind.name} ${name} ${n}` })));
  const victims = await scene.clients(proxy.url, several(3, 'victim'));
  // That they go on by polling is what shows that it was not for them.
  await joinAll(victims);
  await exchangeNumbers(victims, 5);
  await server.said(/INFO WebSocket circuit breaker open: .* network=127\.0\.0\.1 generation="3\.x-4\.x" .*clients=3 silent=3 dropped=0 .* seconds=2/);
  const { now, breakers } = await status();
  assert.equal(now.breakers, breakers.length);
  assert.ok(breakers.every(({ network, clients }) => network === '127.0.0.1' && clients >= 3), JSON.stringify(breakers));

  proxy.heal();
  const end = Date.now() + PATIENCE;
  while ((await status()).breakers.some(({ state }) => state === 'open')) assert.ok(Date.now() < end, 'it never ends');
  const tester = await scene.client(proxy.url, { generation: '4.8.4', wire: 'upgrade', name: 'tester' });
  await tester.until('upgrade');
  await server.said(/INFO WebSocket circuit breaker half-open: .* network=127\.0\.0\.1/);
  await server.said(/INFO WebSocket circuit breaker closed: .* network=127\.0\.0\.1/);
  assert.deepEqual((await status()).breakers, []);
});
