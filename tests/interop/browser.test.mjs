// The bundles for browsers in a real one, from the server's own pages and from a stranger's.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { BUNDLES, closeBrowser } from './lib/browser.mjs';
import { CORPUS } from './lib/corpus.mjs';
import { ASK_EVENTS, checkAsk, checkEcho, ECHO_EVENTS } from './lib/echo.mjs';
import { exchange, exchangeNumbers, joinAll, Talk } from './lib/room.mjs';
import { scenario } from './lib/scenario.mjs';

after(closeBrowser);

/** People in no browser, to be heard and hear as well. */
const NEIGHBOURS = [
  { generation: '4.8.4', wire: 'websocket', name: 'neighbour' },
  { generation: '1.7.4', wire: 'xhr-polling', name: 'polling neighbour' },
];

/** What the bundle of `generation` can be told to use; JSONP is gone since 4.3. */
function wiresOf(generation) {
  return ['websocket', 'xhr-polling', 'upgrade', ...(generation.startsWith('4.') ? [] : ['jsonp-polling'])];
}

/** One page for each bundle, with a client for each of its transports, all connected to `url`. */
async function clientsInPages(scene, url, { home, wires = wiresOf, bundles = BUNDLES, ...spec } = {}) {
  const groups = await Promise.all(
    bundles.map(async (generation) => {
      const page = await scene.page({ generation, home });
      return Promise.all(wires(generation).map((wire) => scene.adopt(page.open({ url, wire, ...spec }))));
    }),
  );
  return groups.flat();
}

for (const origin of ['own', 'foreign']) {
  const homeOf = ({ url }) => (origin === 'own' ? url : undefined);

  scenario(`pages of the server's ${origin} origin: everybody hears everybody, whatever they write`, async (scene) => {
    // All that they say at once is more than a queue holds by default: pages that share a core may be behind by all of it.
    const server = await scene.chat(['--queue-bytes', '4MiB']);
    const everybody = await clientsInPages(scene, server.url, { home: homeOf(server) });
    await Promise.all(everybody.filter(({ spec }) => spec.wire === 'upgrade').map((client) => client.until('upgrade')));
    everybody.push(...(await scene.clients(server.url, NEIGHBOURS)));
    await joinAll(everybody);
    await exchange(everybody, CORPUS);
    await exchangeNumbers(everybody, 20);
    for (const client of everybody) {
      const expected = client.spec.wire === 'upgrade' ? 'websocket' : client.spec.wire;
      assert.equal(await client.transport(), expected, client.name);
      assert.deepEqual(client.log.all('disconnect'), [], client.name);
    }
  });

  scenario(`pages of the server's ${origin} origin: arguments come back, bytes as bytes`, async (scene) => {
    const server = await scene.example('socketio_echo');
    const everybody = await clientsInPages(scene, server.url, { home: homeOf(server), ...ECHO_EVENTS });
    await Promise.all(everybody.map(checkEcho));
  });

  scenario(`pages of the server's ${origin} origin: the server asks, bytes as bytes`, async (scene) => {
    const server = await scene.example('socketio_ask');
    const everybody = await clientsInPages(scene, server.url, { home: homeOf(server), ...ASK_EVENTS });
    await Promise.all(everybody.map(checkAsk));
  });
}

/** What a poll of over 1 KiB brings is compressed; bytes, too, where a client takes them as they are. */
for (const compression of [true, false]) {
  scenario(`polls are compressed, or not: http-compression = ${compression}`, async (scene) => {
    const { url } = await scene.chat(['--http-compression', `${compression}`]);
    const pages = await Promise.all(BUNDLES.map((generation) => scene.page({ generation })));
    const polls = (generation) => wiresOf(generation).filter((wire) => wire.endsWith('polling'));
    const everybody = await Promise.all(
      pages.flatMap((page, index) => polls(BUNDLES[index]).map((wire) => scene.adopt(page.open({ url, wire })))),
    );
    await joinAll(everybody);
    // All of it together is less than a queue may hold, however slow a page is.
    await exchange(everybody, [CORPUS.join(' '), 'short', 'long '.repeat(2000)]);
    await exchangeNumbers(everybody, 5);
    for (const [index, page] of pages.entries()) assert.equal(page.compressed() > 0, compression, BUNDLES[index]);
  });
}

scenario('browsers that offer subprotocols get a WebSocket, at once and by an upgrade', async (scene) => {
  const { url } = await scene.chat();
  const wires = () => ['websocket', 'upgrade'];
  const everybody = await clientsInPages(scene, url, { wires, tls: { protocols: ['chat.v2', 'chat.v1'] } });
  await Promise.all(everybody.filter(({ spec }) => spec.wire === 'upgrade').map((client) => client.until('upgrade')));
  await joinAll(everybody);
  await exchangeNumbers(everybody, 3);
});

// Those of 1.4 to 1.7 fail at long answers in text, and older ones at all.
scenario('where polls are text, browsers from 2.0 on understand them', async (scene) => {
  const { url } = await scene.chat(['--eio3-polls', 'text']);
  const bundles = BUNDLES.filter((generation) => !/^[01]\./.test(generation));
  assert.ok(bundles.includes('2.5.0'), 'not only those that speak Engine.IO 4');
  const wires = (generation) => wiresOf(generation).filter((wire) => wire !== 'websocket');
  const everybody = await clientsInPages(scene, url, { wires, bundles });
  await joinAll(everybody);
  await exchange(everybody, CORPUS);
  await exchangeNumbers(everybody, 20);
});

scenario('browsers upgrading in mid-conversation lose nothing', async (scene) => {
  const server = await scene.chat();
  const proxy = await scene.faultProxy(server);
  const neighbours = await scene.clients(server.url, NEIGHBOURS);
  const movers = await clientsInPages(scene, proxy.url, { wires: () => ['upgrade'] });
  const everybody = [...neighbours, ...movers];
  await joinAll(everybody);
  const talk = new Talk(everybody).chatter();
  await talk.flowing(neighbours, movers, 10);
  proxy.strike();
  await Promise.all(movers.map((mover) => mover.until('upgrade')));
  await talk.flowing(neighbours, movers, 20);
  await talk.end();
});

scenario('a closed tab has left', async (scene) => {
  const { url } = await scene.chat(['--ping-interval', '1s', '--ping-timeout', '4s']);
  const neighbours = await scene.clients(url, NEIGHBOURS);
  await joinAll(neighbours);
  for (const generation of BUNDLES) {
    const page = await scene.page({ generation });
    const tabs = await Promise.all(wiresOf(generation).map((wire) => scene.adopt(page.open({ url, wire }))));
    await joinAll(tabs, neighbours.length);
    await page.close();
    for (const neighbour of neighbours) {
      await Promise.all(tabs.map((tab) => neighbour.until('user left', ({ username }) => username === tab.name)));
      assert.equal(neighbour.log.all('user left').at(-1)[0].numUsers, neighbours.length);
    }
  }
  await exchangeNumbers(neighbours, 3);
});
