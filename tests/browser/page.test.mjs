// What people do on the chat page.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Person, openPage, startServer } from './lib/pages.mjs';
import { stage } from './lib/stage.mjs';

// one for each test: who vanishes while it polls keeps its name until its heartbeat is missed
const set = stage(['--duplicate-names', 'false', '--message-max', '1000B']);

const UNICODE = ['안녕하세요, 세계', 'שלום עולם', 'e\u0301 or é', '👩‍👩‍👧‍👦 🏳️‍🌈 𝔘𝔫𝔦', 'a\u2028b \\n \\\\n "quoted"', '<b>not bold</b> &amp; <script>alert(1)</script>', '\u202eleft'];

describe('the room', () => {
  it('lets two people talk, in any script', async () => {
    const [alice, bob] = [await set.enter('Alice'), await set.enter('Bob 🐙')];
    for (const text of UNICODE) {
      await alice.say(text);
      await bob.hears(text);
    }
    await bob.say('two\nlines');
    await alice.hears('two\nlines');
    assert.deepEqual(await bob.messages(), [...UNICODE.map((text) => ['Alice', text]), ['me', 'two\nlines']]);
    await alice.delivered();
    assert.equal(await bob.page.$$eval('#log script, #log b', (found) => found.length), 0);
  });

  it('marks what another node says late, and says when it cannot reach the others', async () => {
    const alice = await set.enter('Alice', {
      script: () => {
        const Native = window.WebSocket;
        window.WebSocket = class extends Native {
          constructor(...args) {
            super(...args);
            window.arrives = (event, data) => this.dispatchEvent(new MessageEvent('message', { data: `42${JSON.stringify([event, data])}` }));
          }
        };
      },
    });
    await alice.travelsBy('websocket');
    const arrives = (...what) => alice.page.evaluate((what) => void window.arrives(...what), what);
    await arrives('new message', { username: 'Bob', message: 'just now' });
    await arrives('new message', { username: 'Bob', message: 'before', late: new Date(2026, 10, 1, 9, 5).getTime() });
    await arrives('new message', { username: 'Bob', message: 'of the future', late: Date.now() + 1e9 });
    await alice.hears('of the future');
    const times = await alice.page.$$eval('#log .msg .time', (all) => all.map((time) => time.textContent));
    assert.match(times[1], /^said at 0?9:05.*, came late$/);
    assert.ok(times.length === 3 && !/late/.test(times[0] + times[2]), times.join());
    await arrives('cluster', { alone: true });
    await alice.reads('#cluster', /cannot reach the others/);
    await arrives('cluster', { alone: false });
    await alice.reads('#cluster', /^$/);
  });

  it('lists two of one name, and the one that stays', async () => {
    await set.server.stop('SIGKILL');
    set.server = await startServer('--duplicate-names', 'true');
    const alice = await set.enter('Alice');
    await set.enter('Bob');
    const other = await set.enter('Bob');
    await alice.reads('#people-list', /^AAlice \(you\) *BBob *BBob$/);
    await other.travelsBy('websocket');
    await other.leave();
    await alice.reads('#people-list', /^AAlice \(you\) *BBob$/);
  });

  it('shows who is here, and tells in one line who came and went', async () => {
    const alice = await set.enter('Alice');
    const bob = await set.enter('Bob');
    const carol = await set.enter('Carol');
    await alice.reads('#people-count', '3');
    await carol.reads('#people-list', /^AAlice *BBob *CCarol \(you\)$/);
    await alice.reads('#log .crowd', 'Bob, Carol joined');
    await Promise.all([bob, carol].map((person) => person.travelsBy('websocket')));
    await carol.leave();
    await alice.reads('#log .crowd', 'Bob joined; Carol looked in');
    await alice.reads('#people-list', /^AAlice \(you\) *BBob$/);
    await bob.say('somebody says something');
    await alice.hears('somebody says something');
    await bob.leave();
    await alice.reads('#log .crowd:last-child', 'Bob left');
    assert.equal((await alice.page.$$('#log .crowd')).length, 2);
    await alice.reads('#people-count', '1');
  });

  it('shows a name as the server has it', async () => {
    const person = await set.enter('  Ame\u0301lie  ');
    await person.reads('#log .note', 'You joined as Amélie.');
    await person.reads('#people-list', /Amélie \(you\)$/);
    assert.equal(await person.page.evaluate(() => localStorage.getItem('parlance.name')), 'Amélie');
    await person.page.reload();
    assert.equal(await person.page.inputValue('#name'), 'Amélie');
  });

  it('says who is typing, and that they stopped', async () => {
    const [alice, bob, carol] = [await set.enter('Alice'), await set.enter('Bob'), await set.enter('Carol')];
    await bob.page.type('#message', 'hm');
    await alice.reads('#typing', 'Bob is typing…');
    await alice.reads('#typing', '');
    await Promise.all([bob.page.type('#message', 'well, this is a long one'), carol.page.type('#message', 'and so is this one here'), alice.reads('#typing', /^(Bob and Carol|Carol and Bob) are typing…$/)]);
    await bob.page.press('#message', 'Enter');
    await carol.page.press('#message', 'Enter');
    await alice.hears('and so is this one here');
    await alice.reads('#typing', '');
  });

  it('shows why a name is refused, and lets one try another', async () => {
    await set.enter('Alice');
    const page = await openPage(set.browser);
    const late = new Person(page);
    set.with(late);
    await page.goto(set.server.url);
    await page.press('#name', 'Enter');
    await late.reads('#join-error', 'Please enter a name.');
    await page.fill('#name', 'Alice');
    await page.click('#join-button');
    await late.reads('#join-error', 'Somebody here already has this name.');
    assert.equal(await page.getAttribute('#name', 'aria-invalid'), 'true');
    await page.fill('#name', 'x'.repeat(60));
    await page.click('#join-button');
    await late.reads('#join-error', /\S/);
    await late.join('Alice B.');
    await late.reads('#people-count', '2');
  });

  it('says so when a message is refused, and gives it back for editing', async () => {
    const [alice, bob] = [await set.enter('Alice'), await set.enter('Bob')];
    await alice.say('가'.repeat(500));
    await alice.reads('#log .failed .state', /^Not sent: the message is too long/);
    await alice.say('short');
    await bob.hears('short');
    assert.deepEqual(await bob.messages(), [['Alice', 'short']]);
    await alice.page.click('#log .failed .state button');
    assert.equal(await alice.page.inputValue('#message'), '가'.repeat(500));
    assert.equal((await alice.page.$$('#log .failed')).length, 0);
  });

  it('sends what the server takes, and does not lose the connection over what it cannot carry', async () => {
    await set.server.stop('SIGKILL');
    set.server = await startServer('--message-max', '60000B', '--max-payload', '64000B');
    const [carol, dave] = [await set.enter('Carol'), await set.enter('Dave')];
    await carol.travelsBy('websocket');
    const long = 'long '.repeat(11_000).trim();
    await carol.say(long);
    await dave.hears(long);
    for (const text of ['x'.repeat(61_000), '가'.repeat(30_000), '"'.repeat(40_000), 'x'.repeat(200_000)]) await carol.say(text);
    await carol.page.waitForFunction(() => document.querySelectorAll('#log .failed').length === 4);
    await carol.say('short');
    await dave.hears('short');
    assert.deepEqual((await dave.messages()).length, 2);
    assert.doesNotMatch(await carol.page.evaluate(() => ParlancePanel.report()), /websocket {2}close/);
  });

  it('makes links of web addresses and of nothing else', async () => {
    const [alice, bob] = [await set.enter('Alice'), await set.enter('Bob')];
    await alice.say('see https://example.org/a_(b)?x=1&y=2#z, (http://example.net/q). javascript:alert(1) http:// ftp://x HTTPS://Ünï.example/"x');
    await bob.page.waitForSelector('#log .text a');
    const links = await bob.page.$$eval('#log .text a', (all) => all.map((a) => [a.getAttribute('href'), a.textContent, a.rel, a.target]));
    assert.deepEqual(links.map(([href]) => href), ['https://example.org/a_(b)?x=1&y=2#z', 'http://example.net/q', 'HTTPS://Ünï.example/']);
    for (const [href, text, rel, target] of links) {
      assert.equal(text, href);
      assert.deepEqual(rel.split(' ').sort(), ['nofollow', 'noopener', 'noreferrer']);
      assert.equal(target, '_blank');
    }
  });

  it('counts in the title what came while one was away, and marks where it began', async () => {
    const [alice, bob] = [await set.enter('Alice'), await set.enter('Bob')];
    await bob.say('before');
    await alice.hears('before');
    await alice.page.evaluate(() => window.dispatchEvent(new Event('blur')));
    await bob.say('one');
    await bob.say('two');
    await alice.hears('two');
    assert.equal(await alice.page.title(), '(2) Parlance');
    assert.deepEqual(await alice.page.$$eval('#log .text, #log .marker', (all) => all.map((item) => item.textContent)), ['before', 'New messages', 'one', 'two']);
    await alice.page.evaluate(() => window.dispatchEvent(new Event('focus')));
    assert.equal(await alice.page.title(), 'Parlance');
  });

  it('does not scroll away under a reader, and says what is below', async () => {
    const [alice, bob] = [await set.enter('Alice'), await set.enter('Bob')];
    for (let i = 0; i < 40; i++) await bob.say(`line ${i}`);
    await alice.hears('line 39');
    assert.ok(await alice.page.$eval('#log', (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 2), 'at the end');
    await alice.page.$eval('#log', (log) => {
      log.scrollTop = 50;
    });
    await alice.page.waitForSelector('#jump:not(.off)');
    await bob.say('below');
    await bob.say('further below');
    await alice.reads('#jump', '2 new messages');
    assert.equal(await alice.page.$eval('#log', (log) => log.scrollTop), 50);
    await alice.page.click('#jump');
    await alice.page.waitForSelector('#jump', { state: 'hidden' });
    assert.ok(await alice.page.$eval('#log', (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 2), 'at the end again');
  });

  it('marks where the unread begin anew after they were read', async () => {
    const [alice, bob] = [await set.enter('Alice'), await set.enter('Bob')];
    const up = () => alice.page.$eval('#log', (log) => (log.scrollTop = 0)).then(() => alice.page.waitForSelector('#jump:not(.off)'));
    const marked = () => alice.page.$$eval('#log .marker', (all) => all.map((marker) => marker.nextSibling.querySelector('.text').textContent));
    for (let i = 0; i < 40; i++) await bob.say(`line ${i}`);
    await alice.hears('line 39');
    await up();
    await bob.say('first news');
    await alice.reads('#jump', '1 new message');
    assert.deepEqual(await marked(), ['first news']);
    await alice.page.click('#jump');
    await alice.page.waitForSelector('#jump', { state: 'hidden' });
    assert.deepEqual(await marked(), ['first news'], 'it stays while they are read');
    await up();
    await bob.say('second news');
    await alice.reads('#jump', '1 new message');
    assert.deepEqual(await marked(), ['second news']);
  });

  it('tells who comes first that nobody else is here yet, until somebody is', async () => {
    const alice = await set.enter('Alice');
    await alice.reads('#log .note:last-child', /^Nobody else is here yet/);
    const bob = await set.enter('Bob');
    await alice.reads('#log .crowd', 'Bob joined');
    for (const person of [alice, bob]) assert.doesNotMatch(await person.page.textContent('#log'), /Nobody/);
  });

  it('can be used by keyboard alone', async () => {
    const bob = await set.enter('Bob');
    const page = await openPage(set.browser);
    const alice = new Person(page);
    set.with(alice);
    await page.goto(set.server.url);
    await page.waitForSelector('#badge.good');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'name');
    await page.keyboard.type('Alice');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#room:not(.off)');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'message');
    await page.keyboard.type('one line');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('and another');
    await page.keyboard.press('Enter');
    await bob.hears('one line\nand another');
    // the way through the page, and into the panel and out again
    await page.evaluate(() => document.activeElement.blur());
    const stops = [];
    await page.keyboard.press('Tab');
    while (stops.length < 12) {
      const id = await page.evaluate(() => document.activeElement.id || document.activeElement.className || document.activeElement.tagName);
      stops.push(id);
      if (id === 'badge') break;
      await page.keyboard.press('Shift+Tab');
    }
    assert.equal(stops.at(-1), 'badge', stops.join(' '));
    await page.keyboard.press('Enter');
    await page.waitForSelector('#panel:not(.off)');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Close');
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press('Tab');
      assert.ok(await page.evaluate(() => document.getElementById('panel').contains(document.activeElement)), 'the focus stays in the panel');
    }
    await page.keyboard.press('Escape');
    await page.waitForSelector('#panel', { state: 'hidden' });
    assert.equal(await page.evaluate(() => document.activeElement.id), 'badge');
  });

  it('leaves Enter to an input method that is composing', async () => {
    const alice = await set.enter('Alice');
    await alice.page.fill('#message', '한');
    await alice.page.$eval('#message', (box) => box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 13, isComposing: true, bubbles: true, cancelable: true })));
    assert.equal(await alice.page.inputValue('#message'), '한');
    await alice.page.press('#message', 'Enter');
    await alice.hears('한');
  });

  it('speaks Korean to a Korean browser', async () => {
    const person = await set.enter('지민', { locale: 'ko-KR' });
    assert.equal(await person.page.getAttribute('html', 'lang'), 'ko');
    await person.reads('#log .note', '지민 이름으로 참여했습니다.');
    await person.reads('#people-title', '참여자');
    await person.page.click('#badge');
    await person.reads('#panel-title', '연결 상태');
  });

  it('has room for everything on a phone', async () => {
    const person = await set.enter('Somebody with a rather long name', { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true });
    await person.say(`${'unbreakable'.repeat(30)} https://example.org/${'a'.repeat(200)}`);
    await person.page.waitForSelector('#log .msg');
    const wide = () => person.page.evaluate(() => document.documentElement.scrollWidth > innerWidth || document.getElementById('log').scrollWidth > document.getElementById('log').clientWidth);
    assert.equal(await wide(), false);
    assert.equal(await person.page.isVisible('#people'), false);
    await person.page.click('#people-toggle');
    assert.equal(await person.page.isVisible('#people'), true);
    assert.equal(await person.page.getAttribute('#people-toggle', 'aria-expanded'), 'true');
    await person.page.click('#people-toggle');
    await person.page.click('#badge');
    await person.page.waitForSelector('#panel:not(.off)');
    assert.equal(await person.page.evaluate(() => document.querySelector('.panel-body').scrollWidth > innerWidth), false);
    for (const selector of ['.panel .close']) {
      const box = await person.page.locator(selector).boundingBox();
      assert.ok(box.x >= 0 && box.x + box.width <= 360);
    }
  });
});

describe('the connection panel', () => {
  it('tells which transport is in use, what was tried, and how long a round trip takes', async () => {
    const alice = await set.enter('Alice');
    await alice.travelsBy('websocket');
    await alice.page.click('#badge');
    await alice.reads('#panel .facts', /Connected.*WebSocket \(websocket\).*\d+ ms.*Engine\.IO 4, Socket\.IO 5/s);
    await alice.reads('#panel .transports', /WebSocketIn use\d+ msEvent streamNot triedStreaming frameNot triedLong pollingWorked\d+ msScript pollingNot tried/);
    await alice.page.waitForSelector('#panel .bar.carried');
    await alice.reads('#panel .steps', /Long pollingopen.*WebSocketprobe answered.*WebSocketupgrade/s);
  });

  it('copies a report that can be sent to an operator', async () => {
    const alice = await set.enter('Alice', { permissions: ['clipboard-read', 'clipboard-write'] });
    await alice.travelsBy('websocket');
    await alice.say('a secret');
    await alice.page.click('#badge');
    await alice.page.click('#panel .actions button');
    await alice.reads('#panel .copied', 'Copied.');
    const report = await alice.page.evaluate(() => navigator.clipboard.readText());
    assert.match(report, /^Parlance connection report\n/);
    assert.match(report, /State: connected by websocket/);
    assert.match(report, /xhr-polling {2}open {2}\d+ ms {2}ok/);
    assert.match(report, /HeadlessChrome/);
    assert.doesNotMatch(report, /secret|sid/);
  });

  it('leaves the report selected where nothing can be copied', async () => {
    const alice = await set.enter('Alice', { script: 'Object.defineProperty(navigator, "clipboard", { value: undefined }); document.execCommand = () => false;' });
    await alice.page.click('#badge');
    await alice.page.click('#panel .actions button');
    await alice.reads('#panel .copied', /Ctrl \+ C/);
    const selected = await alice.page.$eval('#panel .report', (area) => area.value.slice(area.selectionStart, area.selectionEnd));
    assert.match(selected, /^Parlance connection report/);
    assert.match(selected, /Timeline/);
  });
});

describe('without a connection', () => {
  it('keeps what is written while the server is away, and sends it once, in order', async () => {
    const own = await startServer('--shutdown-timeout', '1s');
    const [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.enter(set.browser, own.url, name)));
    for (const one of [alice, bob]) set.with(one);
    await alice.travelsBy('websocket');
    await alice.say('before');
    await bob.hears('before');
    await own.stop();
    await alice.page.waitForSelector('#badge.bad');
    await alice.reads('#banner-text', /^Not connected[:.] .+\.$/);
    await alice.reads('#banner-when', /^Next try in \d+ s$|^Connecting again…$/);
    for (const text of ['one', 'two', 'three']) await alice.say(text);
    await alice.reads('#log .pending .state', 'Waiting for the connection');
    await own.restart();
    await Promise.all([alice.returned(), bob.returned()]);
    await alice.delivered();
    // Bob may have come back after Alice spoke, but what she says now he hears
    await alice.say('after');
    await bob.hears('after');
    const heard = (await bob.messages()).map(([, text]) => text);
    assert.equal(new Set(heard).size, heard.length, `nothing twice: ${heard}`);
    assert.deepEqual((await alice.messages()).map(([, text]) => text), ['before', 'one', 'two', 'three', 'after']);
    await alice.page.waitForSelector('#banner', { state: 'hidden' });
    await own.stop('SIGKILL');
  });

  it('loses and doubles nothing when the server dies without a word', async () => {
    const own = await startServer();
    const [alice, bob] = await Promise.all(['Alice', 'Bob'].map((name) => Person.enter(set.browser, own.url, name)));
    for (const one of [alice, bob]) set.with(one);
    await alice.travelsBy('websocket');
    for (let i = 0; i < 10; i++) await alice.say(`first ${i}`);
    await alice.delivered();
    await own.stop('SIGKILL');
    for (let i = 0; i < 10; i++) await alice.say(`then ${i}`);
    await own.restart();
    await Promise.all([alice.returned(), bob.returned()]);
    await alice.delivered();
    await alice.say('the end');
    await bob.hears('the end');
    const mine = (await alice.messages()).map(([, text]) => text);
    assert.equal(mine.length, 21);
    const heard = (await bob.messages()).map(([, text]) => text);
    assert.equal(new Set(heard).size, heard.length, `nothing twice: ${heard}`);
    assert.deepEqual(heard, mine.filter((text) => heard.includes(text)), 'in order');
    await own.stop('SIGKILL');
  });

  it('says so from the start when there is no server, and joins when there is one', async () => {
    const own = await startServer();
    const page = await openPage(set.browser);
    const person = new Person(page);
    set.with(person);
    let away = true;
    await page.route('**/socket.io/**', (route) => (away ? route.abort() : route.continue()));
    await page.routeWebSocket(/socket\.io/, (socket) => (away ? socket.close() : socket.connectToServer()));
    await page.goto(own.url);
    await page.waitForSelector('#badge.bad');
    await person.reads('#banner-text', 'Not connected. Probably: The server does not answer.');
    await page.fill('#name', 'Alice');
    await page.press('#name', 'Enter');
    await person.reads('#join-error', /as soon as the connection is there/);
    away = false;
    // The page itself may just be trying again, and hides the button meanwhile.
    await page.evaluate(() => document.getElementById('banner-retry').click());
    await page.waitForSelector('#room:not(.off)');
    await own.stop('SIGKILL');
  });

  it('names a sign-in page that stands in the way', async () => {
    const page = await openPage(set.browser);
    const person = new Person(page);
    set.with(person);
    await page.route('**/socket.io/?*', (route) => route.fulfill({ status: 200, contentType: 'text/html', body: '<html>Welcome to our network</html>' }));
    await page.routeWebSocket(/socket\.io/, (socket) => socket.close());
    await page.goto(set.server.url);
    await page.waitForSelector('#badge.bad');
    await person.reads('#banner-text', /sign-in page/);
    await page.goto('about:blank');
    // asked for a script, the stranger sent its page, too
    page.errors = page.errors.filter((error) => error.name !== 'SyntaxError');
  });
});
