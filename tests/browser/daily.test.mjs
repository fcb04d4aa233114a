// What people who keep the page open all day count on: nothing of theirs is lost by a reload, a dead connection is noticed, and
// they are told when somebody speaks to them.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Person, startServer } from './lib/pages.mjs';
import { stage } from './lib/stage.mjs';
import { Stranger } from './lib/stranger.mjs';

// one for each test: who vanishes while it polls keeps its name until its heartbeat is missed
const set = stage(['--leave-delay', '0s']);

/** Keeps the page's WebSockets at hand: `arrives(event, data)` is what the server might say, `deaf` ends all traffic of those that are open. */
const HANDS = () => {
  const Native = window.WebSocket;
  const open = new Set();
  window.said = [];
  window.WebSocket = class extends Native {
    constructor(...args) {
      super(...args);
      open.add(this);
      this.addEventListener('message', (event) => this.isDeaf && event.stopImmediatePropagation());
      window.arrives = (event, data) => this.dispatchEvent(new MessageEvent('message', { data: `42${JSON.stringify([event, data])}` }));
    }
    send(data) {
      window.said.push(data);
      if (!this.isDeaf) super.send(data);
    }
    set onmessage(fn) {
      super.onmessage = (event) => this.isDeaf || fn(event);
    }
  };
  window.deaf = () => open.forEach((socket) => (socket.isDeaf = true));
};
const arrives = (person, ...what) => person.page.evaluate((what) => void window.arrives(...what), what);
const texts = (person, selector) => person.page.$$eval(selector, (all) => all.map((item) => item.textContent));

describe('over a reload', () => {
  it('the name, the draft and the place in the room stay, and in a second tab', async () => {
    const alice = await set.enter('Alice');
    await alice.page.fill('#message', 'half a thought');
    await alice.page.reload();
    await alice.reads('#log', /You joined as Alice/);
    assert.equal(await alice.page.inputValue('#message'), 'half a thought');
    const tab = await alice.page.context().newPage();
    await tab.goto(set.server.url);
    assert.equal(await tab.inputValue('#name'), 'Alice');
    await tab.press('#name', 'Enter');
    await tab.waitForSelector('#room:not(.off)');
    assert.equal(await tab.inputValue('#message'), 'half a thought');
    await tab.press('#message', 'Enter');
    await alice.hears('half a thought');
    await tab.reload();
    await tab.waitForSelector('#log .note');
    assert.equal(await tab.inputValue('#message'), '', 'what was sent is no draft');
  });

  it('what could not be sent yet is sent', async () => {
    const own = await startServer();
    const [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.enter(set.browser, own.url, name)));
    for (const one of [alice, bob]) set.with(one);
    await alice.travelsBy('websocket');
    await alice.page.routeWebSocket(/socket\.io/, (socket) => socket.close());
    await alice.page.route('**/socket.io/**', (route) => route.abort());
    // the routes hold from the next connection on
    await own.restart('SIGKILL');
    await alice.page.waitForSelector('#badge.bad');
    for (const text of ['first', 'second']) await alice.say(text);
    await bob.returned();
    await alice.page.unrouteAll();
    await alice.page.reload();
    await alice.reads('#log', /You joined as Alice/);
    await alice.delivered();
    await alice.say('third');
    await bob.hears('third');
    assert.deepEqual((await bob.messages()).map(([, text]) => text), ['first', 'second', 'third']);
    await own.stop('SIGKILL');
  });
});

describe('a connection that is dead', () => {
  it('is noticed by a message without an answer, and the next one carries it', async () => {
    const [alice, bob] = [await set.enter('Alice', { script: HANDS }), await set.enter('Bob')];
    await alice.travelsBy('websocket');
    await alice.say('before');
    await alice.delivered();
    await alice.page.evaluate(() => window.deaf());
    await alice.say('into nowhere');
    await alice.page.waitForSelector('#badge.doubt');
    await alice.reads('#badge-text', 'No answer');
    await alice.returned();
    await alice.delivered();
    await bob.hears('into nowhere');
    assert.ok(await alice.page.evaluate(() => window.said.some((text) => text.includes('"again":true'))), 'it says that it was sent before');
    assert.deepEqual((await bob.messages()).map(([, text]) => text), ['before', 'into nowhere']);
  });

  it('is not suspected while the server only takes its time', async () => {
    const alice = await set.enter('Alice', { script: HANDS });
    await alice.travelsBy('websocket');
    await alice.page.evaluate(() => {
      // an answer that never comes, on a connection that lives
      const send = WebSocket.prototype.send;
      WebSocket.prototype.send = function (data) {
        if (!/"new message"/.test(data)) send.call(this, data);
      };
      window.ParlanceLink.draw();
    });
    await alice.say('swallowed');
    await alice.page.waitForFunction(() => window.said.some((text) => /"latency"/.test(text)));
    await alice.page.waitForSelector('#badge.good');
    assert.doesNotMatch(await alice.page.textContent('#log'), /Not connected/);
  });
});

describe('what is said', () => {
  it('stands in its order, under its day, once', async () => {
    const alice = await set.enter('Alice', { script: HANDS });
    await alice.travelsBy('websocket');
    const day = 24 * 60 * 60 * 1000;
    const noon = new Date().setHours(12, 0, 0, 0);
    const said = (n, at) => arrives(alice, 'new message', { username: 'Bob', message: `number ${n}`, at, position: `e.${n}` });
    await said(2, noon - 2 * day);
    await said(4, noon - day);
    await said(1, noon - 2 * day - 1000);
    await said(3, noon - day - 1000);
    await said(4, noon - day);
    await said(10, Date.now());
    await said(9, noon - day + 1000);
    await alice.hears('number 9');
    await alice.hears('number 10');
    assert.deepEqual(await texts(alice, '#log .text'), [1, 2, 3, 4, 9, 10].map((n) => `number ${n}`));
    const lines = await texts(alice, '#log .day, #log .text');
    assert.deepEqual(lines.map((line) => /number/.test(line)), [false, true, true, false, true, true, true, false, true]);
    assert.match(lines[0], /\d{4}/);
    assert.equal(await alice.page.$$eval('#log .msg.same', (all) => all.length), 3);
  });

  it('is shown with the marks of a little Markdown, and no others', async () => {
    const [alice, bob] = [await set.enter('Alice'), await set.enter('Bob')];
    await bob.say('**bold**, *so* and _so_, `a *b*`, 2 * 3 * 4, snake_case_name\n> quoted\n```js\nlet a = "<b>";\n```\n<i>no</i> **https://example.org/a_b**');
    await alice.page.waitForSelector('#log .text a');
    assert.deepEqual(
      await alice.page.$$eval('#log .text :is(strong, em, code, blockquote, a, i, b)', (all) => all.map((one) => [one.tagName.toLowerCase(), one.textContent])),
      [['strong', 'bold'], ['em', 'so'], ['em', 'so'], ['code', 'a *b*'], ['blockquote', 'quoted'], ['code', 'let a = "<b>";'], ['strong', 'https://example.org/a_b'], ['a', 'https://example.org/a_b']],
    );
    assert.match(await alice.page.textContent('#log .text'), /2 \* 3 \* 4, snake_case_name.*<i>no<\/i>/s);
  });

  it('does not make those who type flicker', async () => {
    const alice = await set.enter('Alice');
    const bob = await Stranger.enter(set.server.url, 'Bob');
    await alice.page.evaluate(() => {
      window.seen = [];
      new MutationObserver(() => window.seen.push(document.getElementById('typing').textContent)).observe(document.getElementById('typing'), { childList: true, subtree: true, characterData: true });
    });
    for (let i = 0; i < 5; i++) {
      bob.tell('typing');
      bob.tell('stop typing');
      await alice.page.waitForFunction((wanted) => window.seen.length >= wanted, 1);
    }
    await alice.reads('#typing', '');
    assert.equal((await alice.page.evaluate(() => window.seen.join('|').match(/Bob is typing/g))).length, 1);
    bob.leave();
  });
});

describe('who is spoken to', () => {
  const LISTENING = () => {
    window.notes = [];
    window.Notification = class {
      static permission = 'default';
      static requestPermission() {
        this.permission = 'granted';
        return Promise.resolve('granted');
      }
      constructor(title, { body }) {
        window.notes.push([title, body]);
      }
      close() {}
    };
    localStorage.clear();
  };

  it('is told so by the page, and by the system on request', async () => {
    const [alice, bob] = [await set.enter('Alice', { script: LISTENING }), await set.enter('Bob')];
    await alice.page.click('#you-open');
    await alice.page.selectOption('#you-notify', 'mention');
    await alice.page.waitForFunction(() => Notification.permission === 'granted');
    await alice.page.keyboard.press('Escape');
    await bob.say('@alice while she is here');
    await alice.page.waitForSelector('#log .mention mark');
    assert.deepEqual(await alice.page.evaluate(() => window.notes), []);
    await alice.page.evaluate(() => window.dispatchEvent(new Event('blur')));
    await bob.say('Alicent is somebody else');
    await alice.hears('Alicent is somebody else');
    assert.equal(await alice.page.title(), '(1) Parlance');
    await bob.say('but Alice, look');
    await alice.hears('but Alice, look');
    assert.equal(await alice.page.title(), '@ (2) Parlance');
    assert.deepEqual(await alice.page.evaluate(() => window.notes), [['Bob', 'but Alice, look']]);
    assert.deepEqual(await texts(alice, '#log mark'), ['@alice', 'Alice']);
    // and what is written at somebody is completed
    await bob.page.type('#message', 'hello @al');
    await bob.page.keyboard.press('Tab');
    assert.equal(await bob.page.inputValue('#message'), 'hello @Alice ');
  });
});

describe('a name', () => {
  it('can be changed', async () => {
    const [alice, bob] = [await set.enter('Alice'), await set.enter('Bob')];
    await alice.page.click('#you-open');
    await alice.page.fill('#you-name', 'Alicia');
    await alice.page.press('#you-name', 'Enter');
    await alice.page.waitForSelector('#you', { state: 'hidden' });
    await alice.reads('#people-list', /Alicia \(you\)/);
    await bob.reads('#people-list', /Alicia/);
    await alice.say('it is me');
    await bob.hears('it is me');
    assert.equal((await bob.messages()).at(-1)[0], 'Alicia');
    await alice.page.reload();
    await alice.reads('#log', /You joined as Alicia/);
    await alice.page.click('#you-open');
    await alice.page.click('#you button:has-text("Leave")');
    await alice.page.waitForSelector('#join:not(.off)');
    await bob.reads('#people-list', /^BBob \(you\)$/);
  });
});

describe('on a small screen', () => {
  const SMALL = { viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true };

  it('everything has its place, and Back closes what lies over the room', async () => {
    const alice = await set.enter('Alice', SMALL);
    await alice.say(`**${'unbreakable'.repeat(6)}** \`${'code'.repeat(15)}\`\n> https://example.org/${'a'.repeat(60)}\n\`\`\`\n${'b'.repeat(90)}\n\`\`\``);
    await alice.page.waitForSelector('#log .text code.block');
    const fits = async (what) => assert.equal(await alice.page.evaluate(() => [document.documentElement, ...document.querySelectorAll('#log, #people, .panel-body')].some((one) => one.scrollWidth > one.clientWidth && one.clientWidth)), false, what);
    await fits('the room');
    const heights = await alice.page.evaluate(() => ['message', 'send'].map((id) => document.getElementById(id).getBoundingClientRect().height));
    assert.equal(heights[0], heights[1], 'the box and its button');
    const url = alice.page.url();
    for (const [opener, panel] of [['#people-toggle', '#people'], ['#badge', '#panel']]) {
      await alice.page.click(opener);
      await alice.page.waitForSelector(`${panel}:visible`);
      await fits(panel);
      await alice.page.goBack();
      await alice.page.waitForSelector(panel, { state: 'hidden' });
    }
    await alice.page.click('#people-toggle');
    await alice.page.click('#you-open');
    await fits('you');
    await alice.page.keyboard.press('Escape');
    await alice.page.waitForSelector('#you', { state: 'hidden' });
    assert.ok(await alice.page.isVisible('#people'));
    await alice.page.keyboard.press('Escape');
    await alice.page.waitForSelector('#people', { state: 'hidden' });
    assert.equal(await alice.page.evaluate(() => document.activeElement.id), 'people-toggle');
    assert.equal(alice.page.url(), url);
    assert.ok(await alice.page.isVisible('#room'));
  });
});
