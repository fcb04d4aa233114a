// The list of rooms on the page: their titles, and only those that one may enter.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { ACCOUNTS, loggedIn } from './lib/account.mjs';
import { remembering } from './lib/history.mjs';
import { stage } from './lib/stage.mjs';

const TITLE = 'Help & <advice>, all day, for everybody who has lost something';
const SETTINGS = `
rooms = ["support", "staff", "mods"]
[[room]]
names = ["support"]
title = ${JSON.stringify(TITLE)}
[[room]]
names = ["staff"]
title = "Staff"
read = ["account"]
[[room]]
names = ["mods"]
read = ["moderator"]
`;

const set = stage(async (set) => {
  const dir = mkdtempSync(join(tmpdir(), 'parlance-rooms-'));
  set.atEnd(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'settings.toml');
  writeFileSync(file, SETTINGS);
  return remembering(['--config', file, ...ACCOUNTS])(set);
});

/** Names and titles of the rooms that somebody is offered. */
const offered = (person) => person.page.$$eval('#rooms-others li', (all) => all.map((one) => ['.room-name', '.room-title'].map((part) => one.querySelector(part)?.textContent.replace(/[\u2066-\u2069]/g, '') ?? null)));

it('has titles, and only rooms that one may enter', async () => {
  const [support, staff, mods] = [['# support', TITLE], ['# staff', 'Staff'], ['# mods', null]];
  for (const [name, options, rooms] of [
    ['Gus', {}, [support]],
    ['Vera', loggedIn({ sub: '1', name: 'Vera' }), [staff, support]],
    ['Mo', loggedIn({ sub: '2', name: 'Mo', roles: ['moderator'] }), [mods, staff, support]],
  ]) {
    const person = await set.enter(name, options);
    await person.page.waitForSelector(`#rooms-others li:nth-child(${rooms.length})`);
    assert.deepEqual(await offered(person), rooms, name);
    assert.equal(await person.page.$('#rooms-others advice'), null, 'it is text');
    // over the room as well, as soon as one is in it
    await person.page.click('#rooms-others a:has-text("support")');
    await person.reads('#place-name', '# support');
    await person.reads('#place-title', TITLE);
    await person.page.waitForSelector(`#rooms-list .current .room-title:has-text("lost something")`);
  }
});

it('says why a room is closed to who goes there by its address', async () => {
  const gus = await set.visit({}, '/#staff');
  await gus.page.fill('#name', 'Gus');
  await gus.page.press('#name', 'Enter');
  await gus.reads('#join-error', /this room is for others/);
});

it('fits small screens, light and dark', async () => {
  for (const [what, options] of [
    ['desktop', { viewport: { width: 1280, height: 800 } }],
    ['phone', { viewport: { width: 320, height: 640 } }],
    ['dark', { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' }],
  ]) {
    const person = await set.enter(`Ida ${what}`, options);
    if (what === 'phone') await person.page.click('#rooms-toggle');
    await person.page.waitForSelector('#rooms-others li', { state: 'visible' });
    const box = await person.page.$eval('#rooms', (el) => [el.scrollWidth - el.clientWidth, el.getBoundingClientRect().right - innerWidth]);
    assert.ok(box[0] <= 0 && box[1] <= 0, `${what}: nothing is beyond the edge: ${box}`);
    if (process.env.PICTURES) await person.page.screenshot({ path: join(process.env.PICTURES, `rooms-${what}.png`) });
  }
});
