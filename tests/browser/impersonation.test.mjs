// Nobody passes for somebody else: each trick of the table of src/chat/skeleton/tests.rs, tried at the real server by the page and by a
// stock client. The page is refused; a page that knows no refusal is seen with a number behind its name.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { stage } from './lib/stage.mjs';
import { Stranger } from './lib/stranger.mjs';

const io = createRequire(new URL('../interop/package.json', import.meta.url))('socket.io-client-2.5.0');

const source = readFileSync(new URL('../../src/chat/skeleton/tests.rs', import.meta.url), 'utf8');
const [, table] = /const TRICKS.*?= &\[\n(.*?)\n\];/s.exec(source);
const text = (literal) => new Function(`return ${literal}`)();
/** Rust and JavaScript write these texts alike: `[name, trick, what it is]`. */
const TRICKS = [...table.matchAll(/^ {4}\((".*"), (".*"), (".*")\),$/gm)].map((row) => row.slice(1).map(text));
const NAMES = [...new Set(TRICKS.map(([name]) => name))];

const set = stage(['--leave-delay', '0s']);

/** The number that tells a name from one that is there. */
const isNumbered = (name) => /\(\d+\)$/.test(name);

describe(`of ${TRICKS.length} tricks`, () => {
  it('none gets the page into the room', async () => {
    assert.ok(TRICKS.length >= 40);
    const { page } = await set.visit();
    await page.waitForSelector('#badge.good');
    const passed = [];
    for (const name of NAMES) {
      const victim = await Stranger.enter(set.server.url, name);
      for (const [, trick, what] of TRICKS.filter(([aim]) => aim === name)) {
        await page.fill('#name', trick);
        await page.click('#join-button');
        const outcome = await page.waitForFunction(() => (document.querySelector('#room:not(.off)') ? 'in' : document.querySelector('#join-button:not([disabled])') && document.getElementById('join-error').textContent));
        if ((await outcome.jsonValue()) === 'in') passed.push([name, trick, what]);
      }
      victim.leave();
      const other = await Stranger.enter(set.server.url, 'Other');
      while ((await other.ask('who')).people.includes(name));
      other.leave();
    }
    assert.deepEqual(passed, []);
  });

  it('none gives a stock page a name without a number', async () => {
    const passed = [];
    for (const name of NAMES) {
      const victim = io(set.server.url, { forceNew: true });
      victim.emit('add user', name);
      await new Promise((resolve) => victim.once('login', resolve));
      for (const [, trick, what] of TRICKS.filter(([aim]) => aim === name)) {
        const impostor = io(set.server.url, { forceNew: true });
        const seen = new Promise((resolve) => victim.once('user joined', ({ username }) => resolve(username)));
        const refused = new Promise((resolve) => impostor.once('login error', () => resolve(null)));
        impostor.emit('add user', trick);
        const as = await Promise.race([seen, refused]);
        if (as !== null && !isNumbered(as)) passed.push([name, trick, what, as]);
        const gone = as === null ? null : new Promise((resolve) => victim.once('user left', resolve));
        impostor.disconnect();
        await gone;
        victim.removeAllListeners('user joined');
      }
      victim.disconnect();
    }
    assert.deepEqual(passed, []);
  });
});
