// The generation before Engine.IO: another protocol, other transports, the same chat.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { closeBrowser } from './lib/browser.mjs';
import { Client, everyKind } from './lib/clients.mjs';
import { CORPUS, LONE_SURROGATES } from './lib/corpus.mjs';
import { startCrowd } from './lib/crowd.mjs';
import { ASK_EVENTS, checkAsk, checkEcho, ECHO_EVENTS } from './lib/echo.mjs';
import { exchange, exchangeNumbers, joinAll, login } from './lib/room.mjs';
import { scenario } from './lib/scenario.mjs';

after(closeBrowser);

const FIRST = '0.9.17';
const KINDS = everyKind([FIRST]);
/** People of later times. */
const NEIGHBOURS = [
  { generation: '1.0.6', wire: 'xhr-polling', name: '1.0.6 neighbour' },
  { generation: '2.5.0', wire: 'websocket', name: '2.5.0 neighbour' },
  { generation: '4.8.4', wire: 'websocket', name: '4.8.4 neighbour' },
];
const SHORT_HEARTBEAT = ['--ping-interval', '1s', '--ping-timeout', '4s'];
/** One whose WebSocket comes to nothing. */
const FALLER = { generation: FIRST, wire: 'websocket,xhr-polling', name: 'faller', connectTimeout: 2500 };
const reconnecting = KINDS.map((kind) => ({ ...kind, reconnect: true }));

scenario('0.9 among later generations: everybody hears everybody, whatever they write', async (scene) => {
  const { url } = await scene.chat();
  const everybody = await scene.clients(url, [...KINDS, ...NEIGHBOURS]);
  for (const client of everybody) assert.equal(client.transport(), client.spec.wire, client.name);
  await joinAll(everybody);
  await exchange(everybody, CORPUS);
  await exchangeNumbers(everybody, 50);
});

scenario('0.9: half a surrogate pair harms nobody', async (scene) => {
  const { url } = await scene.chat();
  const senders = await scene.clients(url, KINDS);
  const neighbours = await scene.clients(url, NEIGHBOURS);
  await joinAll([...senders, ...neighbours]);
  for (const sender of senders) await sender.emitEach('new message', [...LONE_SURROGATES, 'still here']);
  for (const neighbour of neighbours) {
    for (const sender of senders) await neighbour.until('new message', ({ username, message }) => username === sender.name && message === 'still here');
    for (const [{ message }] of neighbour.log.all('new message')) assert.ok(message.isWellFormed());
  }
});

scenario('0.9: the chat acknowledges when asked to, and refuses what comes before the login', async (scene) => {
  const { url } = await scene.chat();
  for (const client of await scene.clients(url, KINDS)) {
    const [early] = await client.call('new message', 'too early');
    assert.equal(early.ok, false, client.name);
    await client.emit('new message', 'too early');
    await client.until('message error');
    const [joined] = await client.call('add user', client.name);
    assert.equal(joined.ok, true, client.name);
    const [sent] = await client.call('new message', 'in time');
    assert.equal(sent.ok, true, client.name);
  }
});

scenario('0.9: an event that the chat does not know is acknowledged with the reason', async (scene) => {
  const { url } = await scene.chat();
  for (const client of await scene.clients(url, KINDS)) {
    const [answer] = await client.call('no such event', { a: [1] });
    assert.deepEqual(answer, { ok: false, reason: 'unknown event', message: 'this chat knows no event "no such event"' }, client.name);
    const [joined] = await client.call('add user', client.name);
    assert.equal(joined.ok, true, client.name);
  }
});

scenario('0.9: arguments come back in events and in acknowledgements of either side', async (scene) => {
  const echo = await scene.example('socketio_echo');
  const ask = await scene.example('socketio_ask');
  const echoed = await scene.clients(echo.url, KINDS.map((kind) => ({ ...kind, ...ECHO_EVENTS })));
  const asked = await scene.clients(ask.url, KINDS.map((kind) => ({ ...kind, ...ASK_EVENTS })));
  await Promise.all([...echoed.map(checkEcho), ...asked.map(checkAsk)]);
});

scenario('0.9: who says goodbye has left', async (scene) => {
  const { url } = await scene.chat();
  const neighbours = await scene.clients(url, NEIGHBOURS);
  const leavers = await scene.clients(url, KINDS);
  await joinAll([...neighbours, ...leavers]);
  for (const leaver of leavers) {
    await leaver.disconnect();
    for (const neighbour of neighbours) await neighbour.until('user left', ({ username }) => username === leaver.name);
  }
  await exchangeNumbers(neighbours, 3);
});

scenario('0.9: who is sent away hears so, and stays away', async (scene) => {
  const { url } = await scene.example('socketio_echo');
  for (const client of await scene.clients(url, reconnecting)) await sentAway(client);
});

scenario('0.9: a killed client has left', async (scene) => {
  const { url } = await scene.chat(SHORT_HEARTBEAT);
  const neighbours = await scene.clients(url, NEIGHBOURS);
  await joinAll(neighbours);
  const crowd = await startCrowd(scene, url, KINDS, neighbours.length);
  crowd.kill('SIGKILL');
  for (const neighbour of neighbours) {
    await Promise.all(KINDS.map((kind) => neighbour.until('user left', ({ username }) => username === kind.name)));
    assert.equal(neighbour.log.all('user left').at(-1)[0].numUsers, neighbours.length);
  }
});

scenario('0.9: a server that is told to end says so', async (scene) => {
  const server = await scene.chat();
  const everybody = await scene.clients(server.url, KINDS);
  await joinAll(everybody);
  assert.equal((await server.stop('SIGTERM')).code, 0);
  for (const client of everybody) await client.until('disconnect');
});

for (const signal of ['SIGTERM', 'SIGKILL']) {
  scenario(`0.9: after a restart by ${signal} everybody is back and talks`, async (scene) => {
    const server = await scene.chat();
    const everybody = await scene.clients(server.url, reconnecting);
    await joinAll(everybody);
    const before = new Map(everybody.map((client) => [client, client.log.position]));
    const restarted = server.restart(signal);
    await Promise.all(everybody.map((client) => client.until('disconnect')));
    await restarted;
    await Promise.all(everybody.map((client) => client.connected(before.get(client))));
    await joinAll(everybody);
    await exchangeNumbers(everybody, 3);
  });
}

scenario('0.9: a client whose session was lost comes back', async (scene) => {
  // Its old session still has the name.
  const { url } = await scene.chat([...SHORT_HEARTBEAT, '--duplicate-names', 'true']);
  const [, polling] = await scene.clients(url, reconnecting);
  const page = await scene.page({ generation: FIRST });
  const inPage = ['xhr-polling', 'jsonp-polling'].map((wire) => scene.adopt(page.open({ url, wire, name: `${wire} in a page`, reconnect: true })));
  const losers = [polling, ...(await Promise.all(inPage))];
  const neighbours = await scene.clients(url, NEIGHBOURS);
  await joinAll(neighbours);
  for (const loser of losers) {
    await login(loser);
    const from = loser.log.position;
    await loser.forgetSession();
    await loser.emit('typing');
    await loser.until('disconnect', undefined, { from });
    await loser.connected(from);
    await login(loser);
  }
  await exchangeNumbers([...losers, ...neighbours], 3);
});

scenario('0.9: a client whose session was lost before it asked for it comes back, too', async (scene) => {
  const { url } = await scene.chat();
  const page = await scene.page({ generation: FIRST, home: url, prepare: standInForHtmlfile });
  const unlucky = { url, reconnect: true, lost: true };
  const losers = [
    ...KINDS.map((kind) => Client.open({ ...unlucky, ...kind })),
    ...ALL_WIRES.map((wire) => page.open({ ...unlucky, wire, name: `${wire} in a page` })),
  ];
  for (const loser of losers) {
    await loser.emit('typing'); // something to say before it is connected
    await scene.adopt(loser);
    let connections = 0;
    await loser.until('connect', () => ++connections === 2);
    assert.notEqual(await loser.sessionId(), 'forgotten', loser.name);
  }
  const everybody = [...losers, ...(await scene.clients(url, NEIGHBOURS))];
  await joinAll(everybody);
  await exchangeNumbers(everybody, 3);
  for (const loser of losers) assert.equal(loser.log.all('disconnect').length, 1, loser.name);
});

for (const fault of ['refused with 502', 'never answered', 'dead after 101']) {
  scenario(`0.9: a WebSocket that is ${fault} gives way to polling on the same session`, async (scene) => {
    const server = await scene.chat();
    const proxy = await scene.faultProxy(server, fault);
    proxy.strike();
    const page = await scene.page({ generation: FIRST, home: proxy.url });
    const fallers = [await scene.client(proxy.url, FALLER), await scene.adopt(page.open({ url: proxy.url, ...FALLER, name: 'faller in a page' }))];
    for (const [n, faller] of fallers.entries()) {
      assert.equal(await faller.transport(), 'xhr-polling');
      assert.equal(proxy.upgrades[n], `/socket.io/1/websocket/${await faller.sessionId()}`);
    }
    assert.equal(proxy.upgrades.length, fallers.length);
    const everybody = [...fallers, ...(await scene.clients(server.url, NEIGHBOURS))];
    await joinAll(everybody);
    await exchange(everybody, CORPUS);
    for (const client of everybody) assert.deepEqual(client.log.all('disconnect'), [], client.name);
  });
}

scenario('0.9: a WebSocket that opens when its client has given it up disturbs nobody', async (scene) => {
  const server = await scene.chat(['--log', 'debug']);
  const proxy = await scene.faultProxy(server);
  const page = await scene.page({ generation: FIRST, home: proxy.url });
  const fallers = [await scene.client(proxy.url, FALLER), await scene.adopt(page.open({ url: proxy.url, ...FALLER, name: 'faller in a page' }))];
  const everybody = [...fallers, ...(await scene.clients(server.url, NEIGHBOURS))];
  await joinAll(everybody);
  await exchangeNumbers(everybody, 3);
  proxy.strike();
  for (const faller of fallers) {
    const sid = await faller.sessionId();
    const opened = (wire) => `sid=${sid}.*opened transport="${wire}"[^]*`;
    await server.said(new RegExp(opened('xhr-polling') + opened('websocket') + opened('xhr-polling')));
  }
  await exchangeNumbers(everybody, 50);
  for (const client of everybody) assert.deepEqual(client.log.all('disconnect'), [], client.name);
});

const WIRES = ['websocket', 'xhr-polling', 'jsonp-polling'];
const ALL_WIRES = [...WIRES, 'htmlfile'];

/** A page of the server's own origin with a client for each transport. */
async function oneOfEach(scene, url, spec) {
  const page = await scene.page({ generation: FIRST, home: url, prepare: standInForHtmlfile });
  const clients = [];
  for (const wire of ALL_WIRES) clients.push(await scene.adopt(page.open({ url, wire, ...spec })));
  return [clients, page];
}

for (const origin of ['own', 'foreign']) {
  scenario(`0.9 in pages of the server's ${origin} origin`, async (scene) => {
    const server = await scene.chat();
    const home = origin === 'own' ? server.url : undefined;
    const everybody = await scene.clients(server.url, NEIGHBOURS);
    const add = async (page, wire, name = wire) => everybody.push(await scene.adopt(page.open({ url: server.url, wire, name })));
    const page = await scene.page({ generation: FIRST, home });
    for (const wire of WIRES) await add(page, wire);
    if (home) await add(await scene.page({ generation: FIRST, home, prepare: standInForHtmlfile }), 'htmlfile');
    else await add(await scene.page({ generation: FIRST, prepare: forgetCors }), 'jsonp-polling', 'without CORS');

    for (const client of everybody) assert.equal(await client.transport(), client.spec.wire, client.name);
    await joinAll(everybody);
    await exchange(everybody, CORPUS);
    await exchangeNumbers(everybody, 50);
    for (const client of everybody) assert.deepEqual(client.log.all('disconnect'), [], client.name);
  });
}

scenario('0.9 in pages: a page of a foreign origin has no htmlfile, and takes the next', async (scene) => {
  const { url } = await scene.chat();
  const page = await scene.page({ generation: FIRST, prepare: standInForHtmlfile });
  const client = await scene.adopt(page.open({ url, wire: 'htmlfile,xhr-polling', name: 'next' }));
  assert.equal(await client.transport(), 'xhr-polling');
  await joinAll([client]);
});

scenario('0.9 in pages: arguments come back in events and in acknowledgements of either side', async (scene) => {
  const echo = await scene.example('socketio_echo');
  const ask = await scene.example('socketio_ask');
  for (const [{ url }, kinds, check] of [
    [echo, ECHO_EVENTS, checkEcho],
    [ask, ASK_EVENTS, checkAsk],
  ]) {
    const [clients] = await oneOfEach(scene, url, kinds);
    for (const client of clients) await check(client);
  }
});

scenario('0.9 in pages: who says goodbye, and whose page is closed, has left', async (scene) => {
  const { url } = await scene.chat(SHORT_HEARTBEAT);
  const neighbours = await scene.clients(url, NEIGHBOURS);
  await joinAll(neighbours);
  for (const leave of [(clients) => Promise.all(clients.map((client) => client.disconnect())), (_, page) => page.close()]) {
    const from = neighbours[0].log.position;
    const [clients, page] = await oneOfEach(scene, url);
    await joinAll(clients, neighbours.length);
    await leave(clients, page);
    for (const client of clients) await neighbours[0].until('user left', ({ username }) => username === client.name, { from });
    assert.equal(neighbours[0].log.all('user left').at(-1)[0].numUsers, neighbours.length);
  }
});

scenario('0.9 in pages: who is sent away hears so, and stays away', async (scene) => {
  const { url } = await scene.example('socketio_echo');
  const [clients] = await oneOfEach(scene, url, { reconnect: true });
  for (const client of clients) await sentAway(client);
});

for (const signal of ['SIGTERM', 'SIGKILL']) {
  scenario(`0.9 in pages: after a restart by ${signal} everybody is back and talks`, async (scene) => {
    // It is by its silence that a server is missed on htmlfile.
    const server = await scene.chat(SHORT_HEARTBEAT);
    const [everybody] = await oneOfEach(scene, server.url, { reconnect: true });
    await joinAll(everybody);
    const before = new Map(everybody.map((client) => [client, client.log.position]));
    await server.restart(signal);
    await Promise.all(everybody.map((client) => client.connected(before.get(client))));
    await joinAll(everybody);
    await exchangeNumbers(everybody, 3);
  });
}

scenario('0.9 in pages: a stream that grew too long begins anew', async (scene) => {
  const { url } = await scene.chat(['--stream-bytes', '64KiB']);
  const neighbours = await scene.clients(url, NEIGHBOURS);
  await joinAll(neighbours);
  const page = await scene.page({ generation: FIRST, home: url, prepare: standInForHtmlfile });
  const streaming = await scene.adopt(page.open({ url, wire: 'htmlfile', name: 'streaming', reconnect: true }));
  await joinAll([streaming], neighbours.length);
  const { position } = streaming.log;
  await neighbours[0].emitEach('new message', Array.from({ length: 7 }, () => 'x'.repeat(10_000)));
  await streaming.connected(position);
  assert.deepEqual(streaming.log.all('new message', position).length, 7);
  await joinAll([streaming], neighbours.length);
  await exchangeNumbers([streaming, ...neighbours], 3);
});

async function sentAway(client) {
  await client.emit('goodbye');
  assert.deepEqual(await client.until('disconnect'), ['booted'], client.name);
  assert.equal(await client.returns(), false, client.name);
  assert.equal(client.log.all('disconnect').length, 1, client.name);
}

/** Runs in a page: the object that old Internet Explorers made streams with, as a hidden frame of the same origin. */
function standInForHtmlfile() {
  window.ActiveXObject = function ActiveXObject(name) {
    if (name !== 'htmlfile') throw new Error(`no such object: ${name}`);
    const frame = document.createElement('iframe');
    frame.hidden = true;
    document.body.appendChild(frame);
    const inner = frame.contentDocument;
    inner.parentWindow = frame.contentWindow;
    return inner;
  };
  window.CollectGarbage = () => {};
}

/** Runs in a page: makes the client believe that this browser asks no other origin. */
function forgetCors() {
  delete XMLHttpRequest.prototype.withCredentials;
}
