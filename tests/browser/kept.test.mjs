// What the page keeps for its reader, and what it says of what it cannot do, at a server that remembers.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isClean } from './lib/axe.mjs';
import { RememberingServer } from './lib/remembering-server.mjs';
import { stage } from './lib/stage.mjs';

const set = stage(() => RememberingServer.start());
const PHONE = { viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true };
const hash = (person) => person.page.evaluate(() => location.hash);

/** The server is away, and the page knows. */
async function cutOff(person) {
  await set.server.crash();
  await person.page.waitForSelector('#banner.bad:not(.off)');
}

describe('words of a change', () => {
  async function editing(words) {
    const ann = await set.enter('Ann');
    await ann.say('first words');
    await ann.page.waitForSelector('#log .own .dots', { state: 'attached' });
    await ann.page.press('#message', 'ArrowUp');
    await ann.page.fill('#message', words);
    return ann;
  }
  const goesOn = (ann, words) => ann.page.waitForFunction((wanted) => document.querySelector('.msg.editing') && document.getElementById('message').value === wanted, words);

  it('stay if there is no connection, or the server refuses', async () => {
    const ann = await editing('second words');
    await cutOff(ann);
    await ann.page.press('#message', 'Enter');
    await goesOn(ann, 'second words');
    await ann.reads('#log .own .choice', /Not sent/);
    await set.server.restart();
    await ann.returned();
    await ann.page.press('#message', 'Enter');
    await ann.hears('second words');
    assert.equal(await ann.page.inputValue('#message'), '');
    set.server.room('/').log[0].person = 'somebody else';
    await ann.page.press('#message', 'ArrowUp');
    await ann.page.fill('#message', 'third words');
    await ann.page.press('#message', 'Enter');
    await ann.reads('#log .own .choice', /not yours/i);
    await goesOn(ann, 'third words');
  });

  it('are there again after a reload, and in the room where they were', async () => {
    const ann = await editing('changed **half');
    await ann.page.reload();
    await goesOn(ann, 'changed **half');
    await ann.page.evaluate(() => (location.hash = 'help'));
    await ann.reads('#place-name', '# help');
    await ann.page.waitForFunction(() => document.getElementById('message').value === '' && !document.querySelector('.msg.editing'));
    await ann.page.evaluate(() => (location.hash = ''));
    await goesOn(ann, 'changed **half');
    await ann.page.press('#message', 'Escape');
    await ann.page.reload();
    await ann.hears('first words');
    assert.equal(await ann.page.inputValue('#message'), '', 'what was given up is');
  });
});

it('sends what waited in a tab that was closed from a later one, once', async () => {
  const ann = await set.enter('Ann');
  await cutOff(ann);
  await ann.say('waits for the connection');
  await ann.page.waitForSelector('#log .pending');
  const context = ann.page.context();
  const other = await context.newPage();
  other.errors = [];
  const closed = ann.page.waitForEvent('close');
  await ann.page.close({ runBeforeUnload: true });
  await closed;
  await set.server.restart();
  await other.goto(set.server.url);
  await other.waitForFunction(() => [...document.querySelectorAll('#log .own:not(.pending) .text')].some((one) => one.textContent === 'waits for the connection'));
  assert.deepEqual(set.server.room('/').log.map(({ text }) => text), ['waits for the connection']);
  await other.waitForFunction(() => !Object.keys(localStorage).some((key) => key.startsWith('parlance.out.')));
});

it('sends nothing of another day, or under another name', async () => {
  const old = (days, name) => ['', String(Date.now() - days * 86_400_000 - 1000), name, 'id1', '', 'left%20behind'].join(' ');
  const script = `if (!localStorage.seeded) { localStorage.seeded = 1; localStorage['parlance.out./ a'] = '${old(1, 'Ann')}'; localStorage['parlance.out./ b'] = '${old(0, 'Bob')}'; }`;
  const ann = await set.enter('Ann', { script });
  await ann.say('mine');
  await ann.page.waitForSelector('#log .own .dots', { state: 'attached' });
  assert.deepEqual(set.server.room('/').log.map(({ text }) => text), ['mine']);
  assert.deepEqual(await ann.page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('parlance.out.'))), ['parlance.out./ b']);
});

describe('what was missed', () => {
  const say = (from, to, room = '/') => {
    for (let i = from; i <= to; i++) set.server.say(room, 'Bob', `line ${i}`);
  };

  it('has a line above its first, however much it is', async () => {
    say(1, 10);
    const ann = await set.enter('Ann');
    await ann.hears('line 10');
    await ann.page.waitForFunction(() => /\.10$/.test(localStorage.getItem('parlance.read./')));
    await ann.page.goto('about:blank');
    say(11, 90);
    await ann.page.goto(set.server.url);
    await ann.hears('line 90');
    assert.equal(await ann.page.$('#log .marker'), null);
    await ann.scroll('up');
    await ann.page.waitForSelector('#log .marker', { state: 'attached' });
    assert.equal(await ann.page.$eval('#log .marker + .msg .text', (el) => el.textContent), 'line 11');
  });

  it('is counted as more than is known, also after a reload, and no more once another tab has read it', async () => {
    say(1, 3, '/help');
    const ann = await set.enter('Ann', {}, '/#help');
    await ann.hears('line 3');
    await ann.page.waitForFunction(() => /\.3$/.test(localStorage.getItem('parlance.read.help')));
    await ann.page.evaluate(() => (location.hash = ''));
    await ann.reads('#place-name', 'Lobby');
    await ann.page.goto('about:blank');
    say(4, 80, '/help');
    for (let i = 0; i < 2; i++) {
      await ann.page.goto('about:blank');
      await ann.page.goto(set.server.url);
      await ann.reads('#rooms-list .count', /^50\+/);
    }
    const other = await set.tab(ann, '/#help');
    await other.page.bringToFront();
    await other.hears('line 80');
    await ann.page.waitForFunction(() => !document.querySelector('#rooms-list .count'));
  });
});

it('marks what came late, in the history, too', async () => {
  const at = Date.now() - 600_000;
  set.server.say('/', 'Bob', 'one', { at });
  set.server.say('/', 'Bob', 'cut off', { at: at - 60_000 });
  set.server.say('/', 'Bob', 'in time', { at: at - 1000 });
  const ann = await set.enter('Ann');
  await ann.hears('in time');
  const late = await ann.page.$$eval('#log .msg', (all) => all.map((one) => /came late/.test(one.querySelector('.time').textContent)));
  assert.deepEqual(late, [false, true, false]);
});

describe('rooms', () => {
  it('says why a name can be none, and the address stays that of the room', async () => {
    const ann = await set.enter('Ann', {}, '/#a%2Fb');
    assert.equal(await hash(ann), '');
    await ann.reads('#rooms-error', 'No room can have this name.');
    await ann.page.fill('#rooms-name', 'help');
    await ann.page.press('#rooms-name', 'Enter');
    await ann.reads('#place-name', '# help');
    await ann.reads('#rooms-error', '');
    for (const name of ['x/y', 'Lobby', 'Message', 'PARLANCE-ECHO']) {
      await ann.page.fill('#rooms-name', '');
      await ann.page.press('#rooms-name', 'Enter');
      await ann.reads('#rooms-error', '');
      await ann.page.fill('#rooms-name', name);
      await ann.page.press('#rooms-name', 'Enter');
      await ann.reads('#rooms-error', 'No room can have this name.');
      assert.equal(await hash(ann), '#help');
    }
  });

  it('never lists what is none', async () => {
    set.server.room('/parlance-echo');
    set.server.room('/LOBBY');
    set.server.room('/fine');
    const ann = await set.enter('Ann');
    await ann.reads('#rooms-others', /fine/);
    assert.deepEqual(await ann.page.$$eval('#rooms-others .room-name', (all) => all.map((one) => one.textContent)), ['# fine']);
  });

  it('says that there are 20 at most, on a phone, too', async () => {
    const ann = await set.enter('Ann', PHONE);
    for (let i = 1; i < 20; i++) {
      await ann.page.evaluate((name) => (location.hash = name), `room${i}`);
      await ann.reads('#place-name', `# room${i}`);
    }
    await ann.page.evaluate(() => (location.hash = 'onemore'));
    await ann.page.waitForSelector('#rooms-error:has-text("You are in 20 rooms")');
    assert.equal(await hash(ann), '#room19');
  });
});

describe('small screens', () => {
  it('have the search button on them, and a time of a result on one line', async () => {
    const name = 'a-very-long-name-of-a-room-that-is-hardly-ever-seen';
    set.server.say(`/${name}`, 'Bob', 'needle', { at: new Date(new Date().getFullYear(), 0, 1, 17, 36).getTime() });
    const ann = await set.enter('Ann', PHONE, `/#${name}`);
    await ann.hears('needle');
    const beyond = await ann.page.$eval('#search-open', (el) => el.getBoundingClientRect().right - innerWidth);
    assert.ok(beyond <= 0, `${beyond}`);
    await ann.page.click('#search-open');
    await ann.page.fill('#search-words', 'needle');
    await ann.page.press('#search-words', 'Enter');
    await ann.page.waitForSelector('#search .hit');
    assert.equal(await ann.page.$eval('#search .hit .time', (el) => el.getClientRects().length), 1);
    assert.match(await ann.page.textContent('#search .hit .time'), /^Jan 1 /);
  });

  it('close the list of people by a tap beside it', async () => {
    const ann = await set.enter('Ann', PHONE);
    await ann.page.tap('#people-toggle');
    await ann.page.waitForSelector('#people', { state: 'visible' });
    await ann.page.touchscreen.tap(20, 300);
    await ann.page.waitForSelector('#people', { state: 'hidden' });
  });
});

describe('names behind @', () => {
  async function typed(options) {
    for (const name of ['Bea', 'Ben', 'Cleo']) await set.enter(name);
    const ann = await set.enter('Ann', options);
    await ann.reads('#people-count', '4');
    await ann.page.waitForFunction(() => document.querySelectorAll('#people-list li').length === 4);
    await ann.page.focus('#message');
    await ann.page.keyboard.type('hello @be');
    await ann.page.waitForSelector('#names button:nth-child(2)', { state: 'attached' });
    return ann;
  }

  it('are taken one after the other by Tab', async () => {
    const ann = await typed();
    for (const name of ['Bea', 'Ben', 'Bea']) {
      await ann.page.keyboard.press('Tab');
      assert.equal(await ann.page.inputValue('#message'), `hello @${name} `);
    }
    await ann.page.keyboard.press('Escape');
    await ann.page.keyboard.press('Tab');
    assert.ok(await ann.page.$eval('#send', (el) => el === document.activeElement), 'Tab goes on');
  });

  it('can be tapped', async () => {
    const ann = await typed(PHONE);
    await isClean(ann.page, 'names');
    await ann.page.tap('#names button:has-text("Ben")');
    assert.equal(await ann.page.inputValue('#message'), 'hello @Ben ');
    await ann.page.waitForSelector('#names', { state: 'hidden' });
    assert.ok(await ann.page.$eval('#message', (el) => el === document.activeElement));
  });
});

it('shows what was found without its marks, unless these were sought', async () => {
  set.server.say('/', 'Bob', 'the **needle** is `here`');
  const ann = await set.enter('Ann');
  await ann.page.click('#search-open');
  for (const [words, shown] of [['needle', 'the needle is here'], ['**needle', 'the **needle** is `here`']]) {
    await ann.page.fill('#search-words', words);
    await ann.page.press('#search-words', 'Enter');
    await ann.reads('#search .hit .text', shown);
  }
});

it('closes by Esc what can be done with a message', async () => {
  const ann = await set.enter('Ann');
  await ann.say('mine');
  await ann.page.waitForSelector('#log .own .dots', { state: 'attached' });
  await ann.page.focus('#log .own .dots');
  await ann.page.keyboard.press('Enter');
  await ann.page.focus('#log .choice button');
  await ann.page.keyboard.press('Escape');
  await ann.page.waitForSelector('#log .choice', { state: 'detached' });
  assert.ok(await ann.page.$eval('#log .own .dots', (el) => el === document.activeElement));
});
