// Takes the pictures of docs/images anew: node tests/browser/images.mjs
// Wants what the tests want, and fonts for Korean and emoji.

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Person, openPage, startBrowser, startServer } from './lib/pages.mjs';

const HOST = 'chat.example';
const { connect } = createRequire(new URL('../interop/package.json', import.meta.url))('socket.io-client-0.9.17');

const server = await startServer();
const browser = await startBrowser(`--host-resolver-rules=MAP ${HOST} 127.0.0.1:${server.port}`);
const userAgent = await browser
  .newPage()
  .then((page) => page.evaluate(() => navigator.userAgent))
  .then((name) => name.replace('Headless', ''));

const open = (options) => openPage(browser, { userAgent, ...options });
const picture = (page, name, options) => page.screenshot({ path: fileURLToPath(new URL(`../../docs/images/${name}.png`, import.meta.url)), ...options });

async function enter(name, options) {
  const page = await open(options);
  const person = new Person(page);
  await page.goto(`http://${HOST}/`);
  await person.join(name);
  await person.travelsBy('websocket');
  return person;
}

/** The room with a conversation in it, seen by Ada; `look` is her screen. */
async function conversation(look, then) {
  const ada = await enter('Ada', look);
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
  await jun.page.type('#message', 'And');
  await ada.reads('#typing', 'Jun is typing…');
  await then(ada);
  otto.disconnect();
  await Promise.all([ada.leave(), jun.leave()]);
  // the next conversation begins with nobody here
  const last = await enter('Last');
  await last.reads('#people-count', '1');
  await last.leave();
}

await conversation({}, (ada) => picture(ada.page, 'chat-desktop'));
await conversation({ colorScheme: 'dark' }, (ada) => picture(ada.page, 'chat-dark'));
await conversation({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }, (ada) => picture(ada.page, 'chat-phone'));
await conversation({ viewport: { width: 1280, height: 1000 } }, async (ada) => {
  await ada.page.click('#badge');
  await ada.reads('#panel .facts', /\d+ ms/);
  await picture(ada.page, 'connection-panel');
});

const page = await open();
await page.goto(`http://${HOST}/diagnostics`);
await page.click('#start');
await page.waitForSelector('.report-id');
await page.mouse.move(0, 0);
await picture(page, 'diagnostics', { fullPage: true });

await browser.close();
await server.stop();
process.exit(0);
