// Takes the pictures of docs/images anew: node tests/browser/images.mjs
// Wants what the tests want, and fonts for Korean and emoji.

import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FAULTS } from '../faults/faults.mjs';
import { startStage } from '../faults/lib/stage.mjs';
import { importHistory } from './lib/history.mjs';
import { Person, openPage, startBrowser, startServer } from './lib/pages.mjs';

const HOST = 'chat.example';
const TOKEN = 'sixteen characters';
/** Around a part of a page, in pixels. */
const ROOM = 12;
const { connect } = createRequire(new URL('../interop/package.json', import.meta.url))('socket.io-client-0.9.17');

/** A browser for which the host is at that port of this machine. */
const browserAt = (port) => startBrowser(`--host-resolver-rules=MAP ${HOST} 127.0.0.1:${port}`);

/** What was said before: `[name, hours ago, text]`. */
const BEFORE = [
  ['Jun', 20, 'The new build is on staging.'],
  ['Noor', 19.9, 'Does it have the fix for **reconnects**?'],
  ['Jun', 19.8, 'Yes: `link.js`, and a test.'],
  ['Otto', 19.5, '> Does it have the fix for reconnects?\nI ran it over night: nothing was lost.'],
  ['Jun', 19.4, 'Then it goes out tomorrow morning.'],
];
const data = mkdtempSync(join(tmpdir(), 'parlance-images-'));
const said = BEFORE.map(([name, hours, text]) => ({ name, text, at: Math.floor(Date.now() - hours * 3_600_000) }));
importHistory(join(data, 'data'), { '/': said, '/releases': said, '/support': said, '/채팅': said });
const server = await startServer('--leave-delay', '0s', '--data-dir', join(data, 'data'), '--history', '100000');
const browser = await browserAt(server.port);
const userAgent = await browser
  .newPage()
  .then((page) => page.evaluate(() => navigator.userAgent))
  .then((name) => name.replace('Headless', ''));

const open = (options, from = browser) => openPage(from, { userAgent, ...options });
const picture = (page, name, options) => page.screenshot({ path: fileURLToPath(new URL(`../../docs/images/${name}.png`, import.meta.url)), ...options });

async function enter(name, options) {
  const page = await open(options);
  const person = new Person(page);
  await page.goto(`http://${HOST}/`);
  await person.join(name);
  await person.travelsBy('websocket');
  return person;
}

/** The room with a conversation in it. */
const ada = await enter('Ada');
const jun = await enter('Jun');
await ada.reads('#log .crowd', 'Jun joined');
const otto = connect(server.url, { 'force new connection': true });
await new Promise((resolve) => otto.on('connect', () => otto.emit('nickname', 'Otto', resolve)));
await ada.reads('#log .crowd', 'Jun, Otto joined');
const lines = [
  [ada, 'Good morning! Did the new build reach everybody?'],
  [jun, 'It did. 안녕하세요 from Seoul 👋'],
  [otto, 'Here too: this is a Socket.IO 0.9 client, and it reads along.'],
  [ada, `Then the old terminals can stay. The notes are at https://${HOST}/notes (two pages).`],
  [jun, 'Reading them now.'],
  [jun, 'The second page is the good one.'],
];
for (const [who, text] of lines) {
  if (who === otto) otto.emit('user message', text);
  else await who.say(text);
  await ada.hears(text);
}
await ada.delivered();

/** Ada's room on another screen of hers. */
async function seen(look, then) {
  const page = await open({ storageState: await ada.page.context().storageState(), ...look });
  const person = new Person(page);
  await page.goto(`http://${HOST}/`);
  await person.hears(lines.at(-1)[1]);
  await person.travelsBy('websocket');
  await page.waitForSelector('#rooms-others li:nth-child(3)', { state: 'attached' });
  await ada.reads('#typing', '');
  await jun.page.type('#message', 'And');
  await person.reads('#typing', 'Jun is typing…');
  await then(page);
  await person.leave();
}

await seen({}, (page) => picture(page, 'chat-desktop'));
await seen({ colorScheme: 'dark' }, (page) => picture(page, 'chat-dark'));
await seen({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }, (page) => picture(page, 'chat-phone'));
await seen({ viewport: { width: 1280, height: 1000 } }, async (page) => {
  await page.click('#badge');
  await new Person(page).reads('#panel .facts', /\d+ ms/);
  await picture(page, 'connection-panel');
});
otto.disconnect();
await Promise.all([ada.leave(), jun.leave()]);

const page = await open();
await page.goto(`http://${HOST}/diagnostics`);
await page.click('#start');
await page.waitForSelector('.report-id');
await page.mouse.move(0, 0);
await picture(page, 'diagnostics', { fullPage: true });

/** The administrator's page, of a server behind proxies of which some let no WebSocket through. */
const watched = await startServer('--admin-token', TOKEN, '--trusted-proxies', '127.0.0.1/32');
const people = ['Ada', 'Jun', 'Noor', 'Otto', 'Priya', 'Rui', 'Sofia', 'Teo', 'Uma'];
const extraHTTPHeaders = (n) => ({ 'X-Forwarded-For': `203.0.113.${10 + n}` });
for (const [n, name] of people.entries()) {
  const options = { userAgent, extraHTTPHeaders: extraHTTPHeaders(n) };
  // these polls ask for a WebSocket, and a proxy drops the header
  if (n % 3 === 1) {
    const headers = { ...extraHTTPHeaders(n), Via: '1.1 squid', 'User-Agent': userAgent };
    const below = `${watched.url}/socket.io/?EIO=4&transport=`;
    const { sid } = JSON.parse((await (await fetch(`${below}polling`, { headers })).text()).slice(1));
    for (const body of ['40', `42["add user","${name}"]`]) await fetch(`${below}polling&sid=${sid}`, { method: 'POST', body, headers });
    await fetch(`${below}websocket&sid=${sid}`, { headers });
  } else await Person.enter(browser, watched.url, name, options);
}
async function administrator(options) {
  const page = await open(options);
  await page.goto(`${watched.url}/admin`);
  await page.fill('#token', TOKEN);
  await page.press('#token', 'Enter');
  await page.waitForSelector('#list tr:nth-child(9)');
  await page.mouse.move(0, 0);
  return page;
}
const desk = await administrator({ viewport: { width: 1280, height: 560 } });
await desk.evaluate(() => document.activeElement.blur());
await picture(desk, 'admin');
const phone = await administrator({ colorScheme: 'dark', viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
await phone.click('#list button:has-text("Teo")');
await phone.waitForSelector('#timeline tr');
await picture(phone, 'admin-phone');

/** A page behind one of the laboratory's faults, as wide as a column of text; then(page). */
async function behind(fault, path, then) {
  const stage = await startStage(FAULTS[fault], { args: ['--static-dir', fileURLToPath(new URL('../../static', import.meta.url))] });
  const own = await browserAt(new URL(stage.url).port);
  const page = await open({ viewport: { width: 820, height: 900 } }, own);
  await page.goto(`http://${HOST}${path}`);
  await stage.arm(userAgent);
  await then(page);
  await own.close();
  await stage.close();
}

/** From one element to the end of another, or the same, with a little room around it. */
async function part(page, name, first, last = first) {
  await page.mouse.move(0, 0);
  const [from, to] = await Promise.all([first, last].map((one) => page.locator(one).boundingBox()));
  const x = Math.max(0, from.x - ROOM);
  const y = Math.max(0, from.y - ROOM);
  await picture(page, name, { fullPage: true, clip: { x, y, width: Math.min(from.width + 2 * ROOM, 820 - x), height: to.y + to.height + ROOM - y } });
}

await behind('upgrade-header-dropped', '/', async (page) => {
  await page.waitForSelector('#badge.fallback[data-certainty="certain"]');
  await part(page, 'fallback-badge', '.top');
  await page.click('#badge');
  await page.waitForSelector('#panel .transports .cause.certain');
  await part(page, 'fallback-panel', '#panel .transports');
});
await behind('everything-502', '/', async (page) => {
  await page.waitForSelector('#banner.bad:has-text("does not reach")');
  await part(page, 'fallback-banner', '.top', '#banner');
});
await behind('upgrade-hangs', '/diagnostics', async (page) => {
  await page.click('#start');
  await page.waitForSelector('.report-id', { timeout: 120_000 });
  await part(page, 'fallback-diagnostics', '#summary', '#causes');
});

await browser.close();
await Promise.all([server.stop(), watched.stop('SIGKILL')]);
rmSync(data, { recursive: true });
process.exit(0);
