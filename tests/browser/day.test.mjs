// A day's life of a room in three engines: reload, scroll to the first message, search, delete one, and all of them agree.
// MESSAGES=10000 is the long form: make day.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ENGINES, Engine } from './engines/engines.mjs';
import { remembering, talk } from './lib/history.mjs';
import { stage } from './lib/stage.mjs';

const MESSAGES = Number(process.env.MESSAGES ?? 2000);
const SOUGHT = Math.floor(MESSAGES / 7);

const said = talk(MESSAGES, 1);
said[SOUGHT - 1].text += ' of the Needle';
const set = stage(remembering([], { '/': said }));

/** Chromium behind the questions that the other engines answer. */
class Chromium extends Engine {
  static async start(url) {
    const engine = new Chromium();
    engine.page = (await set.visit({}, new URL(url).search)).page;
    return engine;
  }
  // between two pages there is nobody to ask
  value = (expression) => this.page.evaluate(`'' + (${expression})`).catch((error) => (/context was destroyed/.test(error) ? 'undefined' : Promise.reject(error)));
  stop() {}
}

/** What a person and a test have to do, in words that every engine knows. */
const HANDS = `window.hands = {
  all: function (name) { for (var found = [], all = document.getElementById('log').getElementsByTagName('span'), i = 0; i < all.length; i++) if ((' ' + all[i].className + ' ').indexOf(' ' + name + ' ') >= 0) found.push(all[i]); return found; },
  texts: function () { for (var out = [], all = hands.all('text'), i = 0; i < all.length; i++) out.push(all[i].textContent); return out; },
  clicks: function (label) { for (var all = document.getElementsByTagName('button'), i = 0; i < all.length; i++) if (all[i].textContent === label) return all[i].click(), true; return false; },
  top: function () {
    var seen = {}, count = 0, faults = [], log = document.getElementById('log'), timer = setInterval(function () {
      var texts = hands.texts(), last = 0, i, n;
      for (i = 0; i < texts.length; i++) {
        n = +(/^line (\\d+)/.exec(texts[i]) || [])[1];
        if (!n) continue;
        if (last && n !== last + 1) faults.push(last + ' before ' + n);
        last = n;
        if (!seen[n]) seen[n] = ++count;
      }
      if (/begins here/.test(log.firstChild.textContent)) {
        clearInterval(timer);
        log.scrollTop = 0;
        hands.seen = count + ' seen' + faults.slice(0, 5).join();
      } else log.scrollTop = log.scrollTop === 1 ? 0 : 1;
    }, 20);
  }
}`;
const WORDS = '[].slice.call(hands.texts(), -3).join("|")';

describe(`a room with ${MESSAGES} messages`, () => {
  it('is the same in three engines, on every day of its life', { timeout: 300_000 }, async (t) => {
    const engines = await Promise.all([Chromium.start, ENGINES['Firefox ESR'], ENGINES.QtWebKit].map((start) => start(`${set.server.url}/?lang=en`)));
    t.after(() => Promise.all(engines.map((engine) => engine.stop())));
    const everywhere = (fn) => Promise.all(engines.map(fn));
    const untilAll = (expression, what) => everywhere((engine) => engine.until(expression, what));
    const hands = () => everywhere((engine) => engine.value(`(${HANDS}, 1)`));
    const [first] = engines;
    const end = `line ${MESSAGES - 1}|line ${MESSAGES}`;

    await everywhere(async (engine, i) => {
      await engine.until('window.ParlanceRooms');
      await engine.value(`(document.getElementById('name').value = 'Reader ${i}', document.getElementById('join-button').click(), 1)`);
    });
    await hands();
    await untilAll(`hands.texts().join('|').slice(-${end.length}) === '${end}'`, 'the end of the room');
    assert.deepEqual(await everywhere((engine) => engine.value('hands.texts().length')), ['50', '50', '50']);

    // to the first message: each is seen, and none is in the wrong place at any time
    await everywhere((engine) => engine.value('(hands.top(), 1)'));
    await everywhere(async (engine) => {
      // as long as it goes on, each stretch has the time that anything has
      for (let at; (at = await engine.value(`hands.seen ? '' : hands.texts()[0]`)); ) await engine.until(`hands.seen || hands.texts()[0] !== '${at}'`, `what is before ${at}`);
    });
    assert.deepEqual(await everywhere((engine) => engine.value('hands.seen')), engines.map(() => `${MESSAGES} seen`));
    assert.deepEqual(await everywhere((engine) => engine.value('hands.texts()[0]')), ['line 1', 'line 1', 'line 1']);

    // a reload comes back to that place
    await untilAll(`/\\.1$/.test(sessionStorage.getItem('parlance.at./'))`, 'the place to be kept');
    await everywhere((engine) => engine.value('(setTimeout(function () { location.reload(); }), 1)'));
    await untilAll('window.ParlanceRooms && !window.hands', 'the page again');
    await hands();
    await untilAll(`hands.texts()[0] === 'line 1'`, 'the place that was read');

    // one that was said long ago is found and seen
    const found = await everywhere(async (engine) => {
      await engine.value(`(document.getElementById('search-open').click(), document.getElementById('search-words').value = 'the needle', document.querySelector('#search .primary').click(), 1)`);
      await engine.until(`/^1 message$/.test(document.querySelector('#search .help').textContent)`, 'one result');
      await engine.value(`(document.querySelector('#search .hit').click(), 1)`);
      await engine.until(`document.querySelector('#log .pointed')`, 'the message');
      return engine.value(`document.querySelector('#log .pointed .text').textContent`);
    });
    assert.deepEqual(found, engines.map(() => `line ${SOUGHT} of the Needle`));

    // each says something; what one deletes is deleted everywhere
    await everywhere((engine) => engine.value(`(document.getElementById('jump').click(), 1)`));
    await untilAll(`hands.texts().join('|').indexOf('${end}') >= 0`, 'the end again');
    for (const [i, engine] of engines.entries()) {
      await engine.value(`(document.getElementById('message').value = 'words ${i}', document.getElementById('send').click(), 1)`);
      await untilAll(`hands.texts().pop() === 'words ${i}'`, `words ${i}`);
    }
    await untilAll(`document.querySelector('#log .own .dots')`, 'what is done with a message of mine');
    await engines[1].value(`(document.querySelector('#log .own .dots').click(), hands.clicks('Delete'), hands.clicks('Delete'), 1)`);
    await untilAll(`document.querySelector('#log .gone') && ${WORDS} === 'line ${MESSAGES}|words 0|words 2'`, 'the deletion');
    await everywhere((engine) => engine.value('(setTimeout(function () { location.reload(); }), 1)'));
    await untilAll('window.ParlanceRooms && !window.hands', 'the page again');
    await hands();
    await untilAll(`document.querySelector('#log .gone') && ${WORDS} === 'line ${MESSAGES}|words 0|words 2'`, 'the same after a reload');
    const logs = await everywhere((engine) => engine.value(`(function () { for (var out = [], all = document.querySelectorAll('#log .bubble'), i = 0; i < all.length; i++) out.push(all[i].textContent); return out.join('|'); })()`));
    for (const log of logs) assert.equal(log, logs[0]);
    assert.match(logs[0], /\|words 0\|deleted\|words 2$/);
    await first.value(`(document.getElementById('search-open').click(), document.getElementById('search-words').value = 'words', document.querySelector('#search .primary').click(), 1)`);
    await first.until(`/^2 messages$/.test(document.querySelector('#search .help').textContent)`, 'what is left of the words');
    for (const engine of engines.slice(1)) assert.deepEqual(engine.messages.filter((message) => /page error/i.test(message)), []);
  });
});
