// The page at the real server with a history in a file: what people count on from one day to the next.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startCuttingProxy } from './lib/cutting-proxy.mjs';
import { lines, remembering, talk } from './lib/history.mjs';
import { Person } from './lib/pages.mjs';
import { stage } from './lib/stage.mjs';
import { Stranger } from './lib/stranger.mjs';

const set = stage(remembering(['--leave-delay', '0s'], { '/': talk(230), '/support': talk(3) }));

const dots = (person) => person.page.waitForSelector('#log .own .dots', { state: 'attached' });
const notes = (person) => person.page.$$eval('#log .note', (all) => all.map((note) => note.textContent));

/** Somebody whose way to the server can be shut: `[person, way]`. */
async function enterByWay(name) {
  const way = await startCuttingProxy(set.server.port);
  set.atEnd(() => way.close());
  return [set.with(await Person.enter(set.browser, way.url, name)), way];
}

describe('who comes into a room that was there before', () => {
  it('sees the last fifty messages, and scrolls to the first under lines of days', async () => {
    const alice = await set.enter('Alice');
    await alice.hears('line 230');
    assert.deepEqual(await alice.texts(), lines(181, 230));
    for (let first = 181; first > 1; first = Math.max(1, first - 50)) {
      await alice.scroll('up');
      await alice.hears(`line ${Math.max(1, first - 50)}`);
    }
    assert.deepEqual(await alice.texts(), lines(1, 230));
    await alice.reads('#log > :first-child', 'The conversation begins here.');
    // each line of a day stands above its first message, and no day has two
    const days = await alice.page.$$eval('#log .day, #log .msg time', (all) => all.map((one) => (one.tagName === 'TIME' ? one.title.replace(/ [\d:]+$/, '') : `line: ${one.textContent}`)));
    let day = null;
    const seen = [];
    for (const one of days) {
      if (one.startsWith('line: ')) seen.push((day = one.slice(6)));
      else assert.equal(one, day);
    }
    assert.ok(seen.length >= 3, seen.join());
    assert.equal(new Set(seen).size, seen.length);
  });

  it('searches it, and is led to a message among its neighbours', async () => {
    const alice = await set.enter('Alice');
    await alice.hears('line 230');
    await alice.page.click('#search-open');
    await alice.page.fill('#search-words', 'LINE 10');
    await alice.page.press('#search-words', 'Enter');
    await alice.reads('#search .help', '11 messages');
    await alice.page.click('#search .hit:has-text("line 105")');
    await alice.reads('#log .pointed .text', 'line 105');
    const shown = await alice.texts();
    assert.ok(shown.includes('line 100') && shown.includes('line 110'));
    // the end is one step away, and what was said meanwhile is there
    const bob = await set.enter('Bobby');
    await bob.say('while she reads');
    await alice.reads('#jump', '1 new message');
    await alice.page.click('#jump');
    await alice.hears('while she reads');
    assert.deepEqual((await alice.texts()).slice(-2), ['line 230', 'while she reads']);
  });
});

describe('a reload, and a second tab', () => {
  it('have name, draft, place and messages', async () => {
    const alice = await set.enter('Alice');
    await alice.say('mine');
    await dots(alice);
    await alice.page.fill('#message', 'half a thought');
    await alice.scroll('up');
    await alice.hears('line 132');
    await alice.page.evaluate(() => (document.getElementById('log').scrollTop = [...document.querySelectorAll('#log .msg')].find((one) => /line 140$/.test(one.textContent)).offsetTop));
    await alice.page.waitForFunction(() => /\.140$/.test(sessionStorage.getItem('parlance.at./')));
    await alice.page.reload();
    await alice.hears('line 140');
    const top = () => alice.page.evaluate(() => [...document.querySelectorAll('#log .msg')].find((one) => one.offsetTop + one.offsetHeight > document.getElementById('log').scrollTop + 2).querySelector('.text').textContent);
    assert.equal(await top(), 'line 140');
    assert.equal(await alice.page.inputValue('#message'), 'half a thought');
    await alice.reads('#people-list', /^AAlice \(you\)$/);
    const tab = await set.tab(alice);
    await tab.hears('mine');
    await dots(tab);
    assert.equal(await tab.page.inputValue('#message'), 'half a thought');
    await tab.reads('#people-list', /Alice \(you\)/);
    await tab.say('from the other tab');
    await alice.page.click('#jump');
    await alice.hears('from the other tab');
    assert.deepEqual((await alice.messages()).slice(-2), [['me', 'mine'], ['me', 'from the other tab']]);
    await tab.delivered();
    // what one tab deletes is nothing that the other could still change
    await tab.page.press('#message', 'Escape');
    await tab.page.fill('#message', '');
    await tab.page.press('#message', 'ArrowUp');
    await tab.page.fill('#message', '');
    await tab.page.press('#message', 'Enter');
    await tab.page.keyboard.press('Enter');
    await alice.reads('#log .own .gone', 'deleted');
    assert.equal(await alice.page.$$eval('#log .own', (all) => all.at(-1).querySelectorAll('.dots').length), 0);
  });
});

describe('what one tab says', () => {
  it('is in the other as it comes, on the own side, and nothing that was missed', async () => {
    const [alice, bob] = [await set.enter('Alice'), await set.enter('Bobby')];
    const tab = await set.tab(alice);
    await tab.page.waitForSelector('#room:not(.off)');
    await tab.page.type('#message', 'Alice, that is me');
    await bob.reads('#typing', /Alice/);
    await tab.page.press('#message', 'Enter');
    await alice.hears('Alice, that is me');
    await bob.hears('Alice, that is me');
    assert.deepEqual((await alice.messages()).at(-1), ['me', 'Alice, that is me']);
    assert.equal(await alice.page.$$eval('#log .own', (all) => all.at(-1).querySelectorAll('.dots').length), 1);
    assert.equal((await alice.page.textContent('#typing')).trim(), '');
    assert.doesNotMatch(await alice.page.title(), /\(1\)|@/);
    // Of the others it is heard as ever, and who closes the tab in the middle of a word types no more.
    await tab.page.type('#message', 'and');
    await bob.reads('#typing', /Alice/);
    await tab.page.close();
    await bob.reads('#typing', /^\s*$/);
  });
});

describe('what is changed', () => {
  it('is so for others, after a reload, and in what was missed', async () => {
    const [alice, [bob, way]] = [await set.enter('Alice'), await enterByWay('Bobby')];
    for (const text of ['first', 'second', 'third']) await alice.say(text);
    await bob.hears('third');
    await alice.delivered();
    await alice.page.press('#message', 'ArrowUp');
    await alice.page.fill('#message', 'the third');
    await alice.page.press('#message', 'Enter');
    await bob.hears('the third');
    const others = (person) => person.page.$$eval('#log .msg', (all) => all.slice(-3).map((one) => one.querySelector('.bubble').textContent));
    assert.deepEqual(await others(bob), ['first', 'second', 'the third (edited)']);
    // while Bob is away
    way.shut();
    await bob.page.waitForSelector('#badge.bad');
    const [, second] = await alice.page.$$('#log .own');
    await second.hover();
    await (await second.$('.dots')).click();
    await alice.page.click('#log .choice button:has-text("Delete")');
    await alice.page.click('#log .choice button:has-text("Delete")');
    await alice.reads('#log .gone', 'deleted');
    way.heal();
    await bob.reads('#log .gone', 'deleted');
    await bob.page.reload();
    await bob.hears('the third');
    assert.deepEqual(await others(bob), ['first', 'deleted', 'the third (edited)']);
    assert.equal(await bob.page.$$eval('#log .dots', (all) => all.length), 0);
  });

  it('is no message where it stands before what is shown', async () => {
    const alice = await set.enter('Alice');
    await alice.say('to be changed');
    await alice.delivered();
    const dan = await Stranger.enter(set.server.url, 'Dan');
    for (let i = 0; i < 60; i++) await dan.say(`chatter ${i}`);
    const [bob, way] = await enterByWay('Bobby');
    await bob.hears('chatter 59');
    const before = await bob.texts();
    assert.equal(before[0], 'chatter 10');
    way.shut();
    await bob.page.waitForSelector('#badge.bad');
    await alice.page.press('#message', 'ArrowUp');
    await alice.page.fill('#message', 'changed');
    await alice.page.press('#message', 'Enter');
    await alice.hears('changed');
    await alice.say('and on');
    await alice.delivered();
    way.heal();
    await bob.hears('and on');
    assert.deepEqual(await bob.texts(), [...before, 'and on']);
    dan.leave();
  });
});

describe('after a lost connection', () => {
  it('the gap is filled, in order, once, however long it is and whatever was changed in it', async () => {
    const [[alice, way], bob] = [await enterByWay('Alice'), await set.enter('Bobby')];
    await bob.say('before');
    await alice.hears('before');
    await bob.delivered();
    way.shut();
    await alice.page.waitForSelector('#badge.bad');
    const dan = await Stranger.enter(set.server.url, 'Dan', { page: 1 });
    const gap = Array.from({ length: 330 }, (_, i) => `gap ${i + 1}`);
    for (const text of gap) dan.tell('new message', text);
    await bob.hears('gap 330');
    // as many changes as fill an answer of the server, each of an old message
    const { messages } = await dan.ask('history', { limit: 1 });
    for (let i = 0; i < 230; i++) dan.tell('edit', { position: messages[0].position, message: `gap 330, ${i}` });
    await bob.hears('gap 330, 229');
    await alice.say('written meanwhile');
    await bob.say('and the last');
    await bob.delivered();
    way.heal();
    await alice.hears('written meanwhile');
    await alice.delivered();
    await bob.hears('written meanwhile');
    const all = ['before', ...gap.slice(0, -1), 'gap 330, 229', 'and the last', 'written meanwhile'];
    await alice.hears('and the last');
    assert.deepEqual((await alice.texts()).slice(50), all);
    assert.deepEqual((await bob.texts()).slice(50), all);
    assert.match((await notes(alice)).join(' '), /Not connected from [\d:]+ to [\d:]+\.(?! What)/);
    dan.leave();
  });

  it('all is there that was said in a room that was empty before', async () => {
    const way = await startCuttingProxy(set.server.port);
    set.atEnd(() => way.close());
    const alice = set.with(await Person.enter(set.browser, `${way.url}/#empty`, 'Alice'));
    const bob = await set.enter('Bobby', {}, '/#empty');
    way.shut();
    await alice.page.waitForSelector('#badge.bad');
    const all = Array.from({ length: 60 }, (_, i) => `said ${i + 1}`);
    for (const text of all) await bob.say(text);
    await bob.delivered();
    way.heal();
    await alice.hears('said 60');
    await alice.hears('said 1');
    assert.deepEqual(await alice.texts(), all);
  });

  it('a place far up is kept, and the way down has all that was said', async () => {
    const alice = await set.enter('Alice');
    await alice.hears('line 230');
    // whatever is drawn before the browser tells of the scrolling
    const place = await alice.page.$eval('#log', (log) => {
      log.scrollTop = 0;
      window.dispatchEvent(new Event('resize'));
      return log.scrollTop;
    });
    assert.equal(place, 0);
    await alice.scroll('up');
    await alice.hears('line 131');
    await set.server.stop('SIGKILL');
    await alice.page.waitForSelector('#badge.bad');
    await set.server.restart('SIGKILL');
    await alice.returned();
    assert.equal((await alice.texts())[0], 'line 131');
    const bob = await set.enter('Bobby');
    await bob.say('news');
    await alice.reads('#jump', '1 new message');
    await alice.scroll('down');
    await alice.hears('news');
    assert.deepEqual(await alice.texts(), [...lines(131, 230), 'news']);
  });
});

describe('rooms', () => {
  it('have histories of their own, and tell what is new in those that one is not in', async () => {
    const alice = await set.enter('Alice', {}, '/#support');
    await alice.hears('line 3');
    assert.deepEqual(await alice.texts(), lines(1, 3));
    await alice.page.click('#rooms-others a:has-text("Lobby")');
    await alice.hears('line 230');
    await alice.page.hover('#rooms-list li:has-text("support")');
    await alice.page.click('#rooms-list li:has-text("support") .out');
    await alice.page.waitForSelector('#rooms-others a:has-text("support")');
    assert.equal(await alice.page.$$eval('#rooms-others .news', (all) => all.length), 0);
    const bob = await set.enter('Bobby', {}, '/#support');
    await bob.say('anybody here?');
    await bob.delivered();
    await alice.page.reload();
    await alice.page.waitForSelector('#rooms-others a:has-text("support") .news');
    await alice.page.click('#rooms-others a:has-text("support")');
    await alice.hears('anybody here?');
    await alice.reads('#log .marker', 'New messages');
    assert.equal(await alice.page.$eval('#log .marker', (marker) => marker.nextSibling.querySelector('.text').textContent), 'anybody here?');
  });
});
