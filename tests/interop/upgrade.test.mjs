// From polling to WebSocket while people talk, and past every way in which that can fail.

import assert from 'node:assert/strict';
import { everyKind, GENERATIONS } from './lib/clients.mjs';
import { FAULT_NAMES } from './lib/fault-proxy.mjs';
import { exchangeNumbers, joinAll, login, Talk } from './lib/room.mjs';
import { scenario } from './lib/scenario.mjs';

/** Somebody on each transport who hears and is heard all the while, without the proxy between. */
const PARTNERS = [
  { generation: '4.8.4', wire: 'websocket', name: 'partner' },
  { generation: '1.7.4', wire: 'xhr-polling', name: 'polling partner' },
];

const upgrading = (generations, rest) => generations.map((generation) => ({ generation, wire: 'upgrade', name: generation, ...rest }));

for (const round of [1, 2, 3]) {
  scenario(`upgrading in mid-conversation loses nothing, round ${round}`, async (scene) => {
    const server = await scene.chat();
    const proxy = await scene.faultProxy(server);
    const partners = await scene.clients(server.url, PARTNERS);
    const movers = await scene.clients(proxy.url, upgrading(GENERATIONS));
    const everybody = [...partners, ...movers];
    await joinAll(everybody);
    for (const mover of movers) assert.equal(mover.transport(), 'xhr-polling', mover.name);

    const talk = new Talk(everybody).chatter();
    await talk.flowing(partners, movers, 10);
    proxy.strike();
    await Promise.all(movers.map((mover) => mover.until('upgrade')));
    await talk.flowing(partners, movers, 20);
    await talk.end();
    for (const mover of movers) {
      assert.equal(mover.transport(), 'websocket', mover.name);
      assert.deepEqual(mover.log.all('disconnect'), [], mover.name);
    }
  });
}

/** The generations with the option `protocols`. Their WebSockets fail if none of these is chosen. */
const WITH_PROTOCOLS = GENERATIONS.filter((generation) => ['2.1.1', '2.5.0', '3.1.3', '4.8.4'].includes(generation));
const PROTOCOLS = { protocols: ['chat.v2', 'chat.v1'] };

scenario('clients that offer subprotocols get a WebSocket, at once and by an upgrade', async (scene) => {
  const { url } = await scene.chat();
  const kinds = everyKind(WITH_PROTOCOLS, ['websocket', 'upgrade']).map((kind) => ({ ...kind, tls: PROTOCOLS }));
  const everybody = await scene.clients(url, kinds);
  await Promise.all(everybody.map((client) => client.spec.wire === 'upgrade' && client.until('upgrade')));
  await joinAll(everybody);
  await exchangeNumbers(everybody, 3);
  for (const client of everybody) assert.equal(client.transport(), 'websocket', client.name);
});

/** The generations whose upgrades are made to fail. */
const VICTIMS = GENERATIONS.filter((generation) => ['1.7.4', '2.5.0', '4.8.4'].includes(generation));

/** Faults that come when the client has already stopped polling for good: it falls silent until its next heartbeat. */
const TOO_LATE = ['dead after the probe', 'cut after the probe'];
/** Faults that the server can only tell by its own upgrade timeout. */
const SILENT = ['dead after 101', 'dead after the probe'];

for (const fault of FAULT_NAMES.filter((name) => !TOO_LATE.includes(name))) {
  scenario(`an upgrade that is ${fault} leaves polling as it was`, async (scene) => {
    const { talk, partners, victims, proxy } = await strike(scene, fault);
    await talk.flowing(partners, victims, 20);
    if (SILENT.includes(fault)) {
      await proxy.abandoned(victims.length);
      await talk.flowing(partners, victims, 20);
    }
    await talk.end();
    for (const victim of victims) {
      assert.equal(victim.transport(), 'xhr-polling', victim.name);
      assert.deepEqual(victim.log.all('disconnect'), [], victim.name);
    }
  });
}

for (const fault of TOO_LATE) {
  scenario(`an upgrade that is ${fault} costs the client its connection, but nobody a doubled message`, async (scene) => {
    const { talk, partners, victims, proxy } = await strike(scene, fault);
    proxy.heal();
    await Promise.all(
      victims.map(async (victim) => {
        await victim.until('disconnect');
        await victim.until('connect', undefined, { from: 1 });
      }),
    );
    await talk.hush();
    for (const victim of victims) {
      for (const partner of partners) {
        inOrder(talk.said(victim), talk.heard(partner, victim), `${partner.name} hearing ${victim.name}`);
        inOrder(talk.said(partner), talk.heard(victim, partner), `${victim.name} hearing ${partner.name}`);
      }
    }
    await Promise.all(victims.map(login));
    // What the victims said while they had no name is said now: a question is answered after that.
    await Promise.all(victims.map((victim) => victim.call('latency')));
    await Promise.all(partners.map((partner) => partner.call('latency')));
    // And what the partners have just brought has reached the victims.
    await Promise.all(victims.map((victim) => victim.call('latency')));
    await exchangeNumbers([...partners, ...victims], 20);
  });
}

/** Brings everybody together by polling, has them talk, and lets the fault happen to all upgrades. */
async function strike(scene, fault) {
  // Who comes back before its dead session is noticed has its name twice for a moment.
  const brief = TOO_LATE.includes(fault) ? ['--ping-interval', '2s', '--ping-timeout', '2s'] : [];
  const server = await scene.chat([...brief, '--upgrade-timeout', '1s', '--duplicate-names', 'true']);
  const proxy = await scene.faultProxy(server, fault);
  const partners = await scene.clients(server.url, PARTNERS);
  const victims = await scene.clients(proxy.url, upgrading(VICTIMS, { reconnect: TOO_LATE.includes(fault) }));
  await joinAll([...partners, ...victims]);
  const talk = new Talk([...partners, ...victims]).chatter();
  await talk.flowing(partners, victims, 10);
  proxy.strike();
  await proxy.hits(victims.length);
  return { talk, partners, victims, proxy };
}

/** `heard` may have gaps, but no doubles, no changes and nothing out of order. */
function inOrder(said, heard, who) {
  const known = new Set(heard);
  assert.deepEqual(heard, said.filter((text) => known.has(text)), who);
}
