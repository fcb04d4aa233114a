// The official Socket.IO Admin UI, as npm has it, in front of the real server.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';
import { extname, join, normalize } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client } from '../interop/lib/clients.mjs';
import { startChat } from '../interop/lib/server.mjs';
import { openPage, startBrowser } from './lib/pages.mjs';

const DIST = fileURLToPath(new URL('../interop/node_modules/@socket.io/admin-ui/ui/dist', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.png': 'image/png', '.svg': 'image/svg+xml' };
const TOKEN = 'sixteen characters';

const require = createRequire(new URL('../interop/', import.meta.url));
const GENERATIONS = ['0.9.17', '2.5.0', '4.8.4'];

/** A client as it is published: 4.x by WebSocket, older ones by polling. */
async function open(url, generation) {
  const io = require(`socket.io-client-${generation}`);
  const isFirst = generation.startsWith('0.');
  const transports = isFirst ? ['xhr-polling'] : generation.startsWith('4.') ? ['websocket'] : ['polling'];
  if (isFirst) io.transports = transports; // the option is merged into the default list
  const socket = io.connect(url, { forceNew: true, 'force new connection': true, reconnection: false, reconnect: false, transports });
  const heard = (event) => new Promise((resolve) => socket.on(event, resolve));
  const gone = heard('disconnect');
  await heard('connect');
  return {
    id: isFirst ? socket.socket.sessionid : socket.id,
    session: isFirst ? socket.socket.sessionid : socket.io.engine.id,
    transport: transports[0] === 'websocket' ? 'WebSocket' : 'HTTP long-polling',
    gone,
    close: () => socket.disconnect(),
  };
}

let site;
let browser;
let ui;
before(async () => {
  site = http.createServer(async (request, response) => {
    const path = normalize(new URL(request.url, 'http://site').pathname);
    const file = path === '/' ? 'index.html' : path;
    try {
      const body = await readFile(join(DIST, file));
      response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
  ui = `http://127.0.0.1:${site.address().port}/`;
  browser = await startBrowser('--disable-features=LocalNetworkAccessChecks');
});
after(async () => {
  await browser?.close();
  site?.closeAllConnections();
  site?.close();
});

/** The page with its form filled and sent. It comes from another origin than the server. */
async function login(url, { password = TOKEN, wsOnly = false, parser } = {}) {
  const page = await openPage(browser);
  await page.goto(ui);
  await page.getByLabel('Server URL').fill(url);
  await page.getByLabel('Username').fill('anybody');
  await page.getByLabel('Password').fill(password);
  if (wsOnly || parser) await page.locator('.v-dialog .v-input--switch label').first().click();
  if (wsOnly) await page.getByText('WebSocket only?').click();
  if (parser) {
    await page.locator('.v-dialog .v-select').click();
    await page.getByRole('option', { name: parser }).click();
  }
  await page.getByRole('button', { name: 'Connect' }).click();
  return page;
}

const connected = (page) => page.waitForFunction(() => /Status:\s*connected/i.test(document.querySelector('.v-app-bar').textContent));

/** Goes to one of the pages of the menu. */
async function go(page, name) {
  await page.locator('.v-navigation-drawer').getByText(name, { exact: true }).click();
}

/** Waits until some row of a table has all of these texts. */
function row(page, ...texts) {
  return texts.reduce((rows, text) => rows.filter({ hasText: text }), page.locator('.v-main tbody tr')).first();
}

describe('the Admin UI in development mode', () => {
  let server;
  const clients = [];
  before(async () => {
    server = await startChat(['--admin-token', TOKEN, '--admin-ui', 'development']);
    for (const generation of GENERATIONS) clients.push(await open(server.url, generation));
  });
  after(async () => {
    for (const client of clients) client.close();
    await server?.stop('SIGKILL');
  });

  it('refuses a wrong password, and asks for it again', async () => {
    const page = await login(server.url, { password: 'sixteen characterS' });
    await page.getByText('Invalid credentials').waitFor();
    await page.getByLabel('Password').fill(TOKEN);
    await page.getByRole('button', { name: 'Connect' }).click();
    await connected(page);
    await page.context().close();
  });

  it('shows the server, and clients of all generations with their transports', async () => {
    const page = await login(server.url);
    await connected(page);
    await go(page, 'Servers');
    await row(page, String(server.pid), `:${server.port}`).waitFor();
    await go(page, 'Sockets');
    for (const { id, transport } of clients) await row(page, id, transport).waitFor();
    await go(page, 'Rooms');
    await page.locator('.v-main .v-data-table').first().waitFor();
    await go(page, 'Clients');
    await row(page, clients[2].session.slice(0, 12)).waitFor();
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });

  it('shows what clients send and get, and who comes and goes', async () => {
    const page = await login(server.url);
    await connected(page);
    await go(page, 'Events');
    const visitor = Client.open({ url: server.url, generation: '3.1.3', wire: 'upgrade' });
    await visitor.until('upgrade');
    await visitor.emit('add user', 'Visitor');
    await row(page, 'Event received', 'add user').waitFor();
    await row(page, 'Event sent', 'login').waitFor();
    await visitor.disconnect();
    await row(page, 'Disconnection', 'client namespace disconnect').waitFor();
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });

  it('lists rooms, has clients join and leave them, and disconnects who is in one', async () => {
    const [anna, eva] = [await open(server.url, '4.8.4'), await open(server.url, '2.5.0')];
    const page = await login(server.url);
    await connected(page);
    /** On the page of one socket. */
    const join = async (client, room) => {
      await go(page, 'Sockets');
      await row(page, client.id).getByText(client.id).click();
      await page.getByLabel('Join a room').fill(room);
      await page.locator('.v-main form button[type=submit]').click();
      await row(page, room).waitFor();
    };
    /** Of how many the list says that they are in a room. */
    const members = (room, count) => row(page, room, 'Public').locator('td', { hasText: new RegExp(`^\\s*${count}\\s*$`) }).waitFor();
    await join(anna, 'lobby');
    await join(eva, 'lobby');
    await join(eva, 'vip');
    await go(page, 'Rooms');
    await members('lobby', 2);
    await members('vip', 1);
    // all leave one, and who is in the other is disconnected
    await row(page, 'lobby').getByRole('button').first().click();
    await go(page, 'Rooms'); // the click opens its details, too
    await row(page, 'lobby').waitFor({ state: 'detached' });
    await row(page, 'vip').getByRole('button').last().click();
    await eva.gone;
    await go(page, 'Events');
    for (const what of ['Room joined', 'Room left']) await row(page, what, 'lobby').waitFor();
    await go(page, 'Sockets');
    await row(page, eva.id).waitFor({ state: 'detached' });
    await row(page, anna.id).waitFor();
    assert.deepEqual(page.errors, []);
    await page.context().close();
    anna.close();
  });

  for (const [index, generation] of GENERATIONS.entries()) {
    it(`disconnects a client of ${generation}, which hears of it`, async () => {
      const client = clients[index];
      const page = await login(server.url, { wsOnly: index === 2 });
      await connected(page);
      await go(page, 'Sockets');
      const mine = row(page, client.id);
      await mine.getByRole('button').click();
      await client.gone;
      // The click opens its details, too.
      await row(page, 'Status', 'disconnected').waitFor();
      await go(page, 'Sockets');
      await mine.waitFor({ state: 'detached' });
      await page.context().close();
    });
  }

  it('comes back by its session after a reload, without a password', async () => {
    const page = await login(server.url);
    await connected(page);
    await page.waitForFunction(() => localStorage.getItem('session_id'));
    await page.reload();
    await connected(page);
    assert.equal(await page.getByLabel('Password').isVisible(), false);
    await page.context().close();
  });

  it('says so if its parser is not that of the server', async () => {
    const page = await login(server.url, { parser: 'MessagePack' });
    await page.locator('.v-dialog .red--text').waitFor();
    await page.context().close();
  });
});

describe('the Admin UI in production mode', () => {
  it('shows numbers alone', async () => {
    const server = await startChat(['--admin-token', TOKEN]);
    const client = Client.open({ url: server.url, generation: '4.8.4', wire: 'websocket' });
    await client.until('connect');
    const page = await login(server.url, { wsOnly: true });
    await connected(page);
    await go(page, 'Servers');
    await row(page, String(server.pid), `:${server.port}`).waitFor();
    assert.equal(await page.locator('.v-navigation-drawer').getByText('Sockets', { exact: true }).count(), 0);
    assert.deepEqual(page.errors, []);
    await page.context().close();
    await client.disconnect();
    await server.stop('SIGKILL');
  });
});
