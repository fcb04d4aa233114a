// The page at a server that remembers: history, gaps, changes, search.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RememberingServer } from './lib/remembering-server.mjs';
import { stage } from './lib/stage.mjs';

const DAY = 24 * 60 * 60 * 1000;

const set = stage(() => RememberingServer.start());

/** So many lines were said over the last three days. */
function history(count, name = '/') {
  for (let i = 1; i <= count; i++) set.server.say(name, i % 4 ? 'Bob' : 'Carol', `line ${i}`, { at: Date.now() - 3 * DAY + (i * 3 * DAY) / (count + 1) });
}
const texts = (person) => person.texts();
const lines = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}`);
const scroll = (person, where) => person.scroll(where);
const has = (person, text) => person.page.waitForFunction((wanted) => [...document.querySelectorAll('#log .text')].some((one) => one.textContent === wanted), text);

describe('history', () => {
  it('is there on joining, to its beginning, and the page holds a stretch of it', async () => {
    history(700);
    const alice = await set.enter('Alice');
    await alice.hears('line 700');
    assert.deepEqual(await texts(alice), lines(651, 700));
    for (let first = 651; first > 1; first = Math.max(1, first - 50)) {
      const at = (text) => alice.page.evaluate((wanted) => [...document.querySelectorAll('#log .text')].find((one) => one.textContent === wanted).getBoundingClientRect().top, text);
      const above = await at(`line ${first}`);
      await scroll(alice, 'up');
      const shift = (await at(`line ${first}`)) - above;
      await has(alice, `line ${Math.max(1, first - 50)}`);
      assert.ok(Math.abs((await at(`line ${first}`)) - above - shift) < 2, 'what is read stays in its place');
    }
    await alice.reads('#log > :first-child', 'The conversation begins here.');
    // Some midnights are in it, whatever time it is.
    assert.ok((await alice.page.$$('#log .day')).length > 0);
    const shown = await texts(alice);
    assert.ok(shown.length <= 500 && (await alice.page.$$('#log > *')).length <= 501);
    assert.deepEqual(shown, lines(1, shown.length));
    // what comes meanwhile is counted, and there when the reader comes to it
    set.server.say('/', 'Bob', 'news');
    await alice.reads('#jump', '1 new message');
    while ((await texts(alice)).at(-1) !== 'news') {
      const last = (await texts(alice)).at(-1);
      await scroll(alice, 'down');
      await alice.page.waitForFunction((before) => [...document.querySelectorAll('#log .text')].at(-1).textContent !== before, last);
    }
    const end = await texts(alice);
    assert.deepEqual(end, [...lines(702 - end.length, 700), 'news']);
    set.server.say('/', 'Bob', 'and live again');
    await alice.hears('and live again');
    // from far up, one step leads to the end
    await scroll(alice, 'up');
    await alice.page.waitForSelector('#jump:not(.off)');
    await alice.page.click('#jump');
    await alice.page.waitForSelector('#jump', { state: 'hidden' });
    await alice.hears('and live again');
  });

  it('comes back to the place that was read', async () => {
    history(300);
    const alice = await set.enter('Alice');
    await alice.hears('line 300');
    await scroll(alice, 'up');
    await has(alice, 'line 201');
    await alice.page.evaluate(() => (document.getElementById('log').scrollTop = [...document.querySelectorAll('#log .msg')].find((one) => /line 205$/.test(one.textContent)).offsetTop));
    await alice.page.waitForFunction(() => /\.205$/.test(sessionStorage.getItem('parlance.at./')));
    await alice.page.reload();
    await has(alice, 'line 205');
    const top = () => alice.page.evaluate(() => [...document.querySelectorAll('#log .msg')].find((one) => one.offsetTop + one.offsetHeight > document.getElementById('log').scrollTop + 2).querySelector('.text').textContent);
    assert.equal(await top(), 'line 205');
    // and marks what is new since an earlier visit
    await alice.page.click('#jump');
    await alice.hears('line 300');
    await alice.page.waitForFunction(() => /\.300$/.test(localStorage.getItem('parlance.read./')));
    await alice.page.goto('about:blank');
    for (const text of ['new 1', 'new 2']) set.server.say('/', 'Bob', text);
    await alice.page.goto(set.server.url);
    await alice.hears('new 2');
    assert.equal(await alice.page.$eval('#log .marker', (marker) => marker.nextSibling.querySelector('.text').textContent), 'new 1');
  });

  it('fills a gap in order, once, and says everybody\'s unsent words after it', async () => {
    history(10);
    const [alice, bob] = [await set.enter('Alice'), await set.enter('Bobby')];
    await bob.say('before');
    await alice.hears('before');
    await set.server.crash();
    await Promise.all([alice, bob].map((person) => person.page.waitForSelector('#badge.bad')));
    for (const [person, text] of [[alice, 'of Alice 1'], [bob, 'of Bob 1'], [alice, 'of Alice 2'], [bob, 'of Bob 2']]) await person.say(text);
    for (let i = 1; i <= 120; i++) set.server.say('/', 'Zed', `gap ${i}`);
    await set.server.restart();
    for (const person of [alice, bob]) for (const text of ['gap 120', 'of Alice 2', 'of Bob 2']) await person.hears(text);
    await Promise.all([alice.delivered(), bob.delivered()]);
    const truth = set.server.room('/').log.map(({ text }) => text);
    assert.equal(truth.length, 135);
    for (const person of [alice, bob]) assert.deepEqual((await texts(person)).slice(-125), truth.slice(-125));
    assert.match(await alice.page.textContent('#log'), /Not connected from [\d:]+ to [\d:]+\.(?! What)/);
  });

  it('that the server has lost is said to be missing', async () => {
    history(5);
    const alice = await set.enter('Alice');
    await alice.hears('line 5');
    await set.server.crash();
    await alice.page.waitForSelector('#badge.bad');
    set.server.rooms.clear();
    set.server.room('/').epoch = 'newepoch';
    set.server.say('/', 'Bob', 'a new beginning');
    await set.server.restart();
    await alice.hears('a new beginning');
    assert.match(await alice.page.textContent('#log'), /What was said meanwhile is not shown here/);
    assert.deepEqual(await texts(alice), [...lines(1, 5), 'a new beginning']);
    await alice.say('goes on');
    await alice.delivered();
    assert.deepEqual((await texts(alice)).slice(-2), ['a new beginning', 'goes on']);
  });

  it('has one order, however late the answers are', async () => {
    const alice = await set.enter('Alice');
    set.server.ackDelay = 400;
    await alice.say('mine');
    await alice.page.waitForSelector('#log .own');
    while (set.server.room('/').log.length < 1) await alice.page.evaluate(() => 0);
    set.server.say('/', 'Bob', 'theirs');
    await alice.hears('theirs');
    await alice.page.waitForFunction(() => document.querySelector('#log .own .dots'));
    assert.deepEqual(await texts(alice), ['mine', 'theirs']);
  });
});

describe('one\'s own messages', () => {
  it('can be changed and deleted, and others see it', async () => {
    const [alice, bob] = [await set.enter('Alice'), await set.enter('Bobby')];
    await alice.say('my frist');
    await bob.hears('my frist');
    await alice.page.waitForSelector('#log .own .dots', { state: 'attached' });
    await alice.page.press('#message', 'ArrowUp');
    assert.equal(await alice.page.inputValue('#message'), 'my frist');
    await alice.page.keyboard.press('Escape');
    assert.equal(await alice.page.inputValue('#message'), '');
    await alice.page.press('#message', 'ArrowUp');
    await alice.page.fill('#message', 'my first');
    await alice.page.press('#message', 'Enter');
    for (const person of [alice, bob]) {
      await person.hears('my first');
      await person.reads('#log .msg .edited', '(edited)');
    }
    assert.equal((await bob.page.$$('#log .dots')).length, 0);
    // by keyboard alone
    await alice.page.focus('#log .own .dots');
    await alice.page.keyboard.press('Enter');
    await alice.page.keyboard.press('Tab');
    await alice.page.keyboard.press('Tab');
    await alice.page.keyboard.press('Enter');
    await alice.reads('#log .choice', /^Delete it for everybody\?/);
    await alice.page.keyboard.press('Enter');
    for (const person of [alice, bob]) await person.reads('#log .gone', 'deleted');
    assert.deepEqual(await alice.page.evaluate(() => document.activeElement.id), 'message');
  });

  it('are so in each of their tabs, and after a reload', async () => {
    const alice = await set.enter('Alice');
    const tab = await set.tab(alice);
    // the token says who it is
    await tab.page.waitForSelector('#room:not(.off)');
    await tab.say('from the second tab');
    await alice.page.waitForSelector('#log .own .dots', { state: 'attached' });
    assert.deepEqual(await alice.messages(), [['me', 'from the second tab']]);
    await alice.page.reload();
    await alice.page.waitForSelector('#log .own .dots', { state: 'attached' });
    assert.deepEqual(await alice.messages(), [['me', 'from the second tab']]);
  });

  it('are said under another name without leaving', async () => {
    const [alice, bob] = [await set.enter('Alice'), await set.enter('Bobby')];
    await alice.page.click('#you-open');
    await alice.page.fill('#you-name', 'Alix');
    await alice.page.press('#you-name', 'Enter');
    await bob.reads('#log', /Alice is now Alix/);
    await bob.reads('#people-list', /^BBobby \(you\) *AAlix$|^AAlix *BBobby \(you\)$/);
    assert.doesNotMatch(await bob.page.textContent('#log'), /left/);
  });
});

describe('search', () => {
  it('finds what was said long ago, and leads there', async () => {
    history(400);
    set.server.verified.add('Dan');
    set.server.say('/', 'Dan', 'of a verified person');
    const alice = await set.enter('Alice');
    await alice.hears('of a verified person');
    assert.equal(await alice.page.$eval('#log .msg:has(.rank) .who', (who) => who.textContent), 'Dan✓verified: ');
    await alice.page.click('#search-open');
    await alice.page.fill('#search-words', 'line 10');
    await alice.page.press('#search-words', 'Enter');
    await alice.reads('#search .help', '11 messages');
    assert.deepEqual((await alice.page.$$eval('#search .hit .text', (all) => all.map((one) => one.textContent))).slice(0, 2), ['line 109', 'line 108']);
    assert.equal(await alice.page.textContent('#search .hit mark'), 'line 10');
    await alice.page.click('#search .hit:has-text("line 105")');
    const pointed = await alice.page.waitForSelector('#log .pointed');
    assert.equal(await pointed.$eval('.text', (text) => text.textContent), 'line 105');
    const { y, height } = await pointed.boundingBox();
    assert.ok(y > 50 && y + height < 700, 'it is in sight');
    await alice.page.click('#search-open');
    await alice.page.fill('#search-words', 'nobody said this');
    await alice.page.press('#search-words', 'Enter');
    await alice.reads('#search .help', 'Nothing found.');
    await alice.page.keyboard.press('Escape');
    await alice.page.click('#jump');
    await alice.hears('of a verified person');
  });
});

describe('rooms', () => {
  it('that one is in tell what is unread, and come back after a reload', async () => {
    set.server.room('/support').title = 'Help with everything';
    set.server.say('/support', 'Sue', 'welcome');
    const [alice, bob] = [await set.enter('Alice', {}, '/#support'), await set.enter('Bobby')];
    await alice.hears('welcome');
    await alice.reads('#place-title', 'Help with everything');
    assert.equal(await alice.page.title(), '#support – Parlance');
    await alice.page.click('#rooms-others a:has-text("Lobby")');
    await alice.reads('#place-name', 'Lobby');
    await alice.say('to the lobby');
    await bob.hears('to the lobby');
    set.server.say('/support', 'Sue', 'anybody?');
    await alice.reads('#rooms-list li:not(.current) .count', /^1/);
    set.server.say('/support', 'Sue', '@Alice?');
    await alice.reads('#rooms-list li:not(.current) .count.named', /^2/);
    await alice.page.reload();
    await alice.hears('to the lobby');
    await alice.reads('#rooms-list li:not(.current) .count', /^2/);
    await alice.page.goBack();
    await alice.reads('#place-name', '# support');
    await alice.hears('@Alice?');
    assert.equal((await alice.page.$$('#rooms-list .count')).length, 0);
    // the way to the end is within reach in each of them
    for (const room of ['Lobby', 'support']) {
      await alice.page.click(`#rooms-list a:has-text("${room}")`);
      for (let i = 0; i < 30; i++) set.server.say(room === 'Lobby' ? '/' : '/support', 'Sue', `${room} ${i}`);
      await alice.hears(`${room} 29`);
      await alice.scroll('up');
      await alice.page.click('#jump');
      await alice.page.waitForSelector('#jump', { state: 'hidden' });
    }
  });
});
