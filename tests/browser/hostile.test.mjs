// What one participant can do to the pages of the others: nothing that freezes, floods or deforms them.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { Person, openPage, startBrowser, startServer } from './lib/pages.mjs';
import { Stranger } from './lib/stranger.mjs';

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
/** For one message, on a machine where a plain one of the same size takes at most a fifth of it. */
const BUDGET_MS = 100;
/** Characters; with what most of them take in UTF-8, below the server's `message-max` of 64 KiB. */
const SIZE = 60_000;

const fill = (piece, size = SIZE) => piece.repeat(Math.ceil(size / piece.length)).slice(0, size);
const PLAIN = fill('The quick brown fox jumps over the lazy dog. ');

const TEXTS = {
  'an address and closing brackets': `http://a${')'.repeat(SIZE)}`,
  'an address and opening brackets': `http://a${'('.repeat(SIZE)}`,
  'an address and full stops': `http://a${'.'.repeat(SIZE)}`,
  'an address, full stops and a letter': `http://a${'.'.repeat(SIZE)}x`,
  'an address and brackets of all kinds': `http://a${fill('.)]}([{')}`,
  'the beginning of an address, over and over': fill('http://'),
  'the beginning of an address, over and over, apart': fill('http:// '),
  '7500 links': fill('http://a '),
  'one long address': `http://a/${'b'.repeat(SIZE)}`,
  newlines: '\n'.repeat(SIZE),
  'returns and newlines': fill('\r\n'),
  tabs: '\t'.repeat(SIZE),
  spaces: `${' '.repeat(SIZE)}x`,
  'one word': 'x'.repeat(SIZE),
  'at signs': '@'.repeat(SIZE),
  markup: fill('<&'),
  'control characters': fill('\u0000\u0001'),
  'line separators': '\u2028'.repeat(SIZE / 3),
  'turns of direction': fill('\u202e\u202d\u2066 a', SIZE / 3),
  'right to left': fill('مر a ', SIZE / 2),
  'a letter and its marks': `a${'\u0301'.repeat(SIZE / 2)}`,
  'letters and their marks': fill(`a${'\u0301'.repeat(200)}`, SIZE / 2),
  'marks without a letter': '\u0301'.repeat(SIZE / 2),
  families: '👩‍👩‍👧‍👦'.repeat(2400),
  flags: '🇰🇷'.repeat(8000),
  'halves of characters': '\ud83d'.repeat(SIZE / 3),
  'wide characters': '\ufdfd'.repeat(SIZE / 3),
  'marks that open': fill('*a **b _c '),
  'marks that open and close': fill('**a** *b* '),
  'marks in words': fill('a*b_c`'),
  'ends of code': fill('`'),
  'beginnings of blocks': fill('```\n> *a\n'),
  'quotes of nothing': fill('> \n'),
  'names of who reads it': fill('@Ann Ann @'),
  'places to break that are not seen': fill('a\u200b\u00ad', SIZE / 2),
};

let browser;
let server;
const people = [];
const strangers = [];

async function enter(name, options) {
  const person = await Person.enter(browser, server.url, name, options);
  people.push(person);
  return person;
}

async function intrude(name = 'Mallory') {
  const stranger = await Stranger.enter(server.url, name);
  strangers.push(stranger);
  return stranger;
}

const crowd = (count, name) => Promise.all(Array.from({ length: count }, (_, i) => intrude(name(i))));

before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());
beforeEach(async () => {
  // whoever attacks has a hundred addresses
  server = await startServer('--max-sessions', '0', '--max-sessions-per-address', '0', '--handshake-rate', '0');
});
afterEach(async () => {
  const errors = people.flatMap((person) => person.page.errors);
  strangers.splice(0).forEach((stranger) => stranger.leave());
  await Promise.all(people.splice(0).map((person) => person.leave()));
  await server.stop('SIGKILL');
  assert.deepEqual(errors, [], 'no script failed');
});

/** What the browser has counted for a page; times are those of its thread, whatever else the machine does. */
async function meter(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const read = async () => {
    // what was asked for has been painted
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve)))));
    return Object.fromEntries((await session.send('Performance.getMetrics')).metrics.map(({ name, value }) => [name, value]));
  };
  /** What `work` adds: milliseconds of work, and number of layouts. */
  return async (work) => {
    const start = await read();
    await work();
    const end = await read();
    return { ms: (end.TaskDuration - start.TaskDuration) * 1000, layouts: end.LayoutCount - start.LayoutCount };
  };
}

const count = (page, selector) => page.$$eval(selector, (all) => all.length);
const heightOf = (page) => page.$eval('#log', (log) => log.scrollHeight);
const arrives = (page, number) => page.waitForFunction((wanted) => document.querySelectorAll('#log .other').length >= wanted, number);
const fits = (page) => page.evaluate(() => [document.documentElement, ...document.querySelectorAll('#log, #people')].every((one) => one.scrollWidth <= one.clientWidth));

describe('a message of 60 000 characters', () => {
  it('costs hardly more than a plain one, whatever it is made of, folded and unfolded', async (t) => {
    const [ann, mallory] = [await enter('Ann'), await intrude()];
    const measure = await meter(ann.page);
    let heard = 0;
    const hear = (text) =>
      measure(async () => {
        await mallory.say(text);
        await arrives(ann.page, ++heard);
      });
    await hear(PLAIN);
    const plain = (await hear(PLAIN)).ms;
    const budget = Math.max(BUDGET_MS, plain * 5);
    t.diagnostic(`a plain one: ${plain.toFixed(0)} ms`);
    for (const [name, text] of Object.entries(TEXTS)) {
      const before = await heightOf(ann.page);
      const { ms } = await hear(text);
      const grown = (await heightOf(ann.page)) - before;
      const unfolded = await measure(() => ann.page.$eval('#log .msg:last-child .fold', (button) => button.click()));
      const height = await ann.page.$eval('#log .msg:last-child', (item) => item.offsetHeight);
      t.diagnostic(`${name}: ${ms.toFixed(0)} ms, ${grown} px; unfolded ${unfolded.ms.toFixed(0)} ms, ${height} px`);
      assert.ok(ms <= budget, `${name}: ${ms.toFixed(0)} ms`);
      assert.ok(grown < 700, `${name}: ${grown} px`);
      assert.ok(unfolded.ms <= budget * 5, `${name}, unfolded: ${unfolded.ms.toFixed(0)} ms`);
      assert.ok(height < 800, `${name}, unfolded: ${height} px`);
      assert.ok(await fits(ann.page), `${name} is wider than the page`);
    }
    const longest = await ann.page.$$eval('#log .text', (all) => Math.max(...all.map((text) => text.querySelectorAll('a').length)));
    assert.equal(longest, 100, 'links of one message');
  });

  it('leaves room for others on a phone', async () => {
    const [ann, mallory] = [await enter('Ann', PHONE), await intrude()];
    for (const [at, text] of [PLAIN, TEXTS.newlines, TEXTS['wide characters'], TEXTS['one word']].entries()) {
      await mallory.say(text);
      await arrives(ann.page, at + 1);
      assert.ok((await ann.page.$eval('#log .msg:last-child', (item) => item.offsetHeight)) < 844 * 0.75);
      assert.ok(await fits(ann.page));
    }
  });

  it('can be pasted and sent', async () => {
    const ann = await enter('Ann');
    const measure = await meter(ann.page);
    const send = async (text) => {
      await ann.page.$eval('#message', (box, value) => (box.value = value), text);
      const { ms } = await measure(() => ann.page.press('#message', 'Enter'));
      return ms;
    };
    const plain = await send(PLAIN);
    // not too many newlines: Chromium itself takes its time for those, in any box
    for (const text of [TEXTS.spaces, fill('x '), `x${' '.repeat(SIZE)}`, `x${'\n'.repeat(SIZE / 60)}`]) assert.ok((await send(text)) < Math.max(BUDGET_MS, plain * 5));
    await ann.hears('x', 2);
    await ann.delivered();
    assert.equal(await count(ann.page, '#log .own'), 5);
    assert.equal(await count(ann.page, '#log .failed'), 0);
  });
});

describe('a long message', () => {
  const LINES = Array.from({ length: 60 }, (_, i) => `line ${i}`).join('\n');

  it('is folded, and unfolds by keyboard', async () => {
    const [ann, mallory] = [await enter('Ann'), await intrude()];
    await mallory.say(LINES);
    const button = ann.page.getByRole('button', { name: `Show all (${LINES.length} characters)` });
    const text = ann.page.locator('#log .other .text');
    await button.waitFor();
    assert.equal(await button.getAttribute('aria-expanded'), 'false');
    assert.match(await text.textContent(), /^line 0\n.*line 11…$/s);
    await button.focus();
    await ann.page.keyboard.press('Enter');
    assert.equal(await text.textContent(), LINES);
    const focused = () => ann.page.evaluate(() => [document.activeElement.textContent, document.activeElement.getAttribute('aria-expanded')]);
    assert.deepEqual(await focused(), ['Show less', 'true']);
    // it scrolls by itself, and a keyboard gets there
    await ann.page.keyboard.press('Shift+Tab');
    await ann.page.keyboard.press('End');
    await ann.page.waitForFunction(() => document.activeElement.className === 'iso text' && document.activeElement.scrollTop > 100);
    await ann.page.keyboard.press('Tab');
    await ann.page.keyboard.press('Space');
    assert.deepEqual(await focused(), [`Show all (${LINES.length} characters)`, 'false']);
    assert.match(await text.textContent(), /line 11…$/);
    assert.equal(await text.getAttribute('tabindex'), null);
  });

  it('is so for who wrote it, too, and in Korean', async () => {
    const ann = await enter('Ann', { locale: 'ko-KR' });
    await ann.say(LINES);
    await ann.reads('#log .own .fold', `모두 보기(${LINES.length}자)`);
    await ann.page.click('#log .own .fold');
    await ann.reads('#log .own .fold', '접기');
    await ann.hears(LINES);
  });

  it('does not hide what is hardly longer', async () => {
    const [ann, mallory] = [await enter('Ann'), await intrude()];
    for (const text of [LINES.split('\n').slice(0, 14).join('\n'), 'word '.repeat(200).trim(), '한'.repeat(600)]) {
      await mallory.say(text);
      await ann.hears(text);
    }
    assert.equal(await count(ann.page, '#log .fold'), 0);
  });

  it('is not scrolled away when it unfolds, nor its button when it is folded again', async () => {
    const [ann, mallory] = [await enter('Ann'), await intrude()];
    for (let i = 0; i < 5; i++) await mallory.say(LINES);
    await arrives(ann.page, 5);
    const button = ann.page.locator('#log .other:last-child .fold');
    const top = () => ann.page.$eval('#log .other:last-child .text', (text) => text.getBoundingClientRect().top);
    const before = await top();
    await button.evaluate((one) => one.click());
    assert.equal(await top(), before);
    await ann.page.waitForSelector('#jump:not(.off)');
    await button.scrollIntoViewIfNeeded();
    const { y } = await button.boundingBox();
    await button.evaluate((one) => one.click());
    assert.ok(Math.abs((await button.boundingBox()).y - y) < 60, 'the button stays at hand');
  });

  it('shows no address that was cut as a link', async () => {
    const [ann, mallory] = [await enter('Ann'), await intrude()];
    const whole = `http://example.org/${'a'.repeat(2000)}`;
    await mallory.say(`see ${whole} now`);
    await ann.page.waitForSelector('#log .fold');
    assert.equal(await count(ann.page, '#log .text a'), 0);
    await ann.page.click('#log .fold');
    assert.equal(await ann.page.getAttribute('#log .text a', 'href'), whole);
  });
});

describe('an address', () => {
  it('is shown as it is, whatever turns the text around it', async () => {
    const [ann, mallory] = [await enter('Ann'), await intrude()];
    const here = 'http://example.org/here';
    for (const text of [`${here}\u202egpj.moc.knab//:sptth`, `\u202e${here} x`, `\u2067${here} שלום`, `${here}\u200f/bank`]) {
      await mallory.say(text);
      await ann.hears(text);
    }
    const seen = await ann.page.$$eval('#log .text a', (all) =>
      all.map((a) => {
        const at = (index) => {
          const range = document.createRange();
          range.setStart(a.firstChild, index);
          range.setEnd(a.firstChild, index + 1);
          return range.getBoundingClientRect().left;
        };
        return [a.getAttribute('href'), [...a.textContent].every((_, index) => !index || at(index) > at(index - 1))];
      }),
    );
    assert.deepEqual(seen, Array(4).fill([here, true]), 'from left to right');
  });
});

describe('what a server or proxy gives as a reason', () => {
  it('fits into a sentence', async () => {
    const page = await openPage(browser);
    const ann = new Person(page);
    people.push(ann);
    await page.route('**/socket.io/?*', (route) => route.fulfill({ status: 403, contentType: 'application/json', body: JSON.stringify({ code: 4, message: 'Forbidden', reason: 'because '.repeat(100_000) }) }));
    await page.routeWebSocket(/socket\.io/, (socket) => socket.close());
    await page.goto(server.url);
    await ann.reads('#banner-text', /because because/);
    await page.click('#banner-details');
    await ann.reads('#panel .steps', /because because/);
    await page.click('#panel .actions button');
    for (const [selector, most] of [['#banner', 500], ['#panel .steps', 2000], ['#panel .transports', 2000]]) assert.ok((await page.textContent(selector)).length < most, selector);
    assert.ok((await page.inputValue('#panel .report')).length < 5000);
    assert.ok(await fits(page));
  });
});

describe('names', () => {
  const PILE = `Z${'a\u0301\u0316\u0331\u0300\u0302'.repeat(20)}${'\u0301'.repeat(100)}`;
  const NAMES = { 'hundreds of marks': PILE, 'the widest characters': '\ufdfd'.repeat(32), families: '👩‍👩‍👧‍👦'.repeat(20), 'wide letters': 'W'.repeat(32), 'both directions': 'עברית (you) مرحبا' };

  for (const [what, name] of Object.entries(NAMES)) {
    it(`of ${what} fit on a phone`, async () => {
      const [ann, mallory] = [await enter('Ann', PHONE), await intrude(name)];
      await ann.reads('#people-count', '2');
      await mallory.say('hello');
      await ann.hears('hello');
      mallory.tell('typing');
      await ann.reads('#typing', /typing…$/);
      assert.ok(await fits(ann.page));
      await ann.page.click('#people-toggle');
      assert.ok(await fits(ann.page));
    });
  }

  it('paint nothing outside of their places', async () => {
    const [ann, bob] = [await enter('Ann'), await intrude('Bob')];
    await bob.say('mine');
    await ann.hears('mine');
    await ann.page.evaluate(() => document.activeElement.blur());
    const clip = async (selector) => ({ clip: await ann.page.locator(selector).last().boundingBox() });
    const [places, row, bubble] = [[], await clip('.person'), await clip('.bubble')];
    const look = () => Promise.all([row, bubble].map((place) => ann.page.screenshot(place)));
    places.push(await look());
    const mallory = await intrude(PILE);
    await mallory.say(PILE);
    await arrives(ann.page, 2);
    places.push(await look());
    assert.ok(places[0].every((picture, at) => picture.equals(places[1][at])), 'what stands above is untouched');
  });
});

describe('a flood', () => {
  it('of messages is drawn beat by beat, and what is old goes', async (t) => {
    const [ann, mallory] = [await enter('Ann'), await intrude()];
    const measure = await meter(ann.page);
    const number = 3000;
    const { ms, layouts } = await measure(async () => {
      for (let i = 0; i < number; i++) mallory.tell('new message', `flood ${i}`);
      await ann.page.keyboard.type('still');
      await ann.page.locator('#log .msg:last-child .text', { hasText: `flood ${number - 1}` }).waitFor();
    });
    t.diagnostic(`${ms.toFixed(0)} ms, ${layouts} layouts`);
    assert.ok(layouts < number / 2, `${layouts} layouts`);
    assert.ok((await count(ann.page, '#log > *')) <= 501);
    assert.equal(await ann.page.inputValue('#message'), 'still');
    await ann.reads('#log > :first-child', 'Older messages are no longer shown.');
    assert.ok(await ann.page.$eval('#log', (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 2), 'at the end');
    await ann.say('and now me');
    await ann.delivered();
    assert.deepEqual((await ann.messages()).slice(-2).map(([, text]) => text), [`flood ${number - 1}`, 'and now me']);
  });

  it('of long messages does not stay in memory', async () => {
    const [ann, mallory] = [await enter('Ann'), await intrude()];
    // Each is drawn before the next: 3.6 MB at once would rightly end a reader who is slow to draw them.
    for (let i = 0; i < 60; i++) {
      await mallory.say(`${i} ${PLAIN}`);
      await ann.hears(`${i} ${PLAIN}`);
    }
    assert.equal(await count(ann.page, '#log .msg'), 33, '2 million characters');
    assert.deepEqual(await ann.page.$$eval('#log > .note', (all) => all.map((note) => note.textContent)), ['Older messages are no longer shown.']);
  });

  it('of people changes the list where they come and go, and keeps a short account of them', async () => {
    const ann = await enter('Ann');
    await intrude('Bob');
    await ann.reads('#people-count', '2');
    await ann.page.$eval('#people-list', (list) => (list.firstChild.isTheSame = true));
    const all = await crowd(300, (i) => `Extra ${i}`);
    await ann.reads('#people-count', '302');
    await ann.reads('#log .crowd', /^Bob(, Extra \d+){4}, 296 more joined$/);
    assert.equal(await count(ann.page, '#people-list li'), 302);
    all.forEach((one) => one.leave());
    await ann.reads('#people-count', '2');
    await ann.reads('#people-list', /^AAnn \(you\) *BBob$/);
    assert.equal(await ann.page.$eval('#people-list', (list) => list.firstChild.isTheSame), true, 'the list was not drawn anew');
    await ann.reads('#log .crowd', /more/);
    assert.equal(await count(ann.page, '#log .crowd'), 1);
  });

  it('of people beyond what the list holds is a number', async () => {
    const ann = await enter('Ann');
    const all = await crowd(520, (i) => `Extra ${i}`);
    await ann.reads('#people-count', '521');
    await ann.reads('#people-more', 'and 21 more');
    assert.equal(await count(ann.page, '#people-list li'), 500);
    // when many have left, the others are asked for
    all.slice(0, 300).forEach((one) => one.leave());
    await ann.reads('#people-count', '221');
    await ann.page.waitForFunction(() => document.querySelectorAll('#people-list li').length === 221);
  });

  it('of typing is one line, and ends', async () => {
    const ann = await enter('Ann');
    const all = await crowd(40, (i) => `Typist ${i}`);
    await ann.reads('#people-count', '41');
    for (let i = 0; i < 25; i++) all.forEach((one) => one.tell(i % 2 ? 'stop typing' : 'typing'));
    await ann.reads('#typing', 'Several people are typing…');
    all.forEach((one) => one.tell('stop typing'));
    await ann.reads('#typing', '');
  });

  it('to a hidden page is counted at once, and shown to its end when it is seen', async () => {
    const hide = (on) => ann.page.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, on);
    const [ann, mallory] = [await enter('Ann'), await intrude()];
    await hide(true);
    for (let i = 0; i < 100; i++) mallory.tell('new message', `unseen ${i}`);
    await ann.hears('unseen 99');
    assert.equal(await ann.page.title(), '(100) Parlance');
    await hide(false);
    assert.equal(await ann.page.title(), 'Parlance');
    assert.ok(await ann.page.$eval('#log', (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 2), 'at the end');
  });
});
