// What axe finds on every page and in every state, in light and dark, large and small: nothing.

import { after, before, describe, it } from 'node:test';
import { isClean } from './lib/axe.mjs';
import { Person, openPage, startBrowser, startServer } from './lib/pages.mjs';
import { RememberingServer } from './lib/remembering-server.mjs';

let browser;
let server;
let other;
before(async () => {
  [browser, server] = await Promise.all([startBrowser(), startServer('--duplicate-names', 'false', '--message-max', '2000B')]);
  other = await Person.enter(browser, server.url, 'Other');
});
after(() => Promise.all([browser?.close(), server?.stop('SIGKILL')]));

const LOOKS = [
  { name: 'light', options: { colorScheme: 'light' } },
  { name: 'dark', options: { colorScheme: 'dark' } },
  { name: 'a phone, in Korean, light', options: { colorScheme: 'light', locale: 'ko-KR', viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true } },
  { name: 'a phone, in Korean, dark', options: { colorScheme: 'dark', locale: 'ko-KR', viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true } },
  { name: 'a small phone', options: { colorScheme: 'light', viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true } },
];

for (const { name, options } of LOOKS) {
  describe(name, () => {
    it('the way into the room, the room, the panel', async () => {
      const page = await openPage(browser, options);
      const person = new Person(page);
      await page.goto(server.url);
      await page.waitForSelector('#badge.good');
      await isClean(page, 'before joining');
      await page.fill('#name', 'Other');
      await page.click('#join-button');
      await person.reads('#join-error', /\S/);
      await isClean(page, 'name refused');
      const own = `Person, ${name}`;
      await person.join(own.slice(0, 32));
      await person.say('mine, with a link: https://example.org/');
      await other.say('and theirs, in עברית: https://example.org/');
      await person.hears('and theirs, in עברית: https://example.org/');
      await other.say(Array.from({ length: 40 }, (_, i) => `line ${i} of many`).join('\n'));
      await page.waitForSelector('#log .other .fold');
      await isClean(page, 'a long message, folded');
      await page.click('#log .other .fold');
      await isClean(page, 'a long message, unfolded');
      await page.click('#log .other .fold');
      await person.say('x'.repeat(3000));
      await page.waitForSelector('#log .failed');
      for (let i = 0; i < 12; i++) await Person.prototype.say.call(other, `line ${i}`);
      await person.hears('line 11');
      await other.page.type('#message', 'typing');
      await isClean(page, 'joined');
      if (options.isMobile) {
        await page.click('#people-toggle');
        await isClean(page, 'people shown');
        await page.click('#people-toggle');
      }
      await page.$eval('#log', (log) => {
        log.scrollTop = 0;
      });
      await page.waitForSelector('#jump:not(.off)');
      await other.say(`news for ${name}`);
      await person.hears(`news for ${name}`);
      await isClean(page, 'scrolled up, with news');
      await other.say(`**bold** \`code\` for @${own.slice(0, 32)}\n> quoted\n\`\`\`\nblock\n\`\`\``);
      await page.waitForSelector('#log .other:last-child mark');
      await page.click('#jump');
      await isClean(page, 'with marks, and a mention');
      if (options.isMobile) await page.click('#people-toggle');
      await page.click('#you-open');
      await isClean(page, 'you');
      await page.keyboard.press('Escape');
      if (options.isMobile) await page.keyboard.press('Escape');
      await page.click('#badge');
      await person.reads('#panel .facts', /\d+ ?ms/);
      await isClean(page, 'panel');
      await page.context().setOffline(true);
      await page.context().close();
    });

    it('history, rooms, search, changes', async () => {
      const own = await RememberingServer.start();
      own.verified.add('Carol');
      own.moderators.add('Ann');
      for (let i = 0; i < 80; i++) own.say('/', i % 3 ? 'Bob' : 'Carol', `line ${i}`, { at: Date.now() - (80 - i) * 3_600_000 });
      own.say('/help', 'Sue', 'welcome');
      const person = await Person.enter(browser, `${own.url}/#help`, 'Ann', options);
      if (options.isMobile) await person.page.click('#rooms-toggle');
      await person.page.click('#rooms-others a');
      await person.hears('line 79');
      own.say('/help', 'Sue', 'hello @Ann');
      await person.page.waitForSelector('#rooms-list .count.named', { state: 'attached' });
      await isClean(person.page, 'history');
      if (options.isMobile) {
        await person.page.click('#rooms-toggle');
        await isClean(person.page, 'rooms');
        await person.page.keyboard.press('Escape');
      }
      await person.say('mine');
      await person.page.waitForSelector('#log .own .dots', { state: 'attached' });
      await person.page.press('#message', 'ArrowUp');
      await isClean(person.page, 'changing a message');
      await person.page.keyboard.press('Escape');
      await person.page.focus('#log .own .dots');
      await person.page.keyboard.press('Enter');
      await person.page.click('#log .choice button:nth-of-type(2)');
      await isClean(person.page, 'deleting a message');
      await person.page.click('#log .choice button');
      await person.page.waitForSelector('#log .gone');
      await person.page.click('#search-open');
      await person.page.fill('#search-words', 'line');
      await person.page.press('#search-words', 'Enter');
      await person.page.waitForSelector('#search .hit');
      await isClean(person.page, 'search');
      await person.page.keyboard.press('Escape');
      await person.page.click('#moderate-open');
      await person.page.fill('#mod-words', 'Maintenance at noon');
      await person.page.click('#moderate .actions button');
      await person.page.waitForSelector('#log .announced');
      await isClean(person.page, 'moderating the room');
      await person.page.keyboard.press('Escape');
      await isClean(person.page, 'an announcement');
      await person.page.focus('#log .other .dots');
      await person.page.keyboard.press('Enter');
      await isClean(person.page, 'what can be done about a message');
      await person.page.click('#log .choice button:nth-of-type(2)');
      await isClean(person.page, 'moderating a person');
      await person.leave();
      await own.crash();
    });

    it('a lost connection', async () => {
      const own = await startServer();
      const person = await Person.enter(browser, own.url, 'Alone', options);
      await own.stop('SIGKILL');
      await person.page.waitForSelector('#banner.bad:not(.off)');
      await person.say('waits');
      await person.page.waitForSelector('#log .pending');
      await isClean(person.page, 'not connected');
      await person.page.click('#banner-details');
      await isClean(person.page, 'panel, not connected');
      await person.leave();
    });

    it('the connection test', async () => {
      const page = await openPage(browser, { ...options, without: ['EventSource'] });
      await page.routeWebSocket(/socket\.io/, (socket) => socket.close());
      await page.goto(`${server.url}/diagnostics`);
      await isClean(page, 'before');
      await page.click('#start');
      await page.waitForSelector('.report-id');
      await isClean(page, 'after');
      await page.context().close();
    });
  });
}
