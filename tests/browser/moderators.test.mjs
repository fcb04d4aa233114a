// A moderator at the real server, by the page alone: what is done holds for everybody, and after a restart.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ACCOUNTS, loggedIn } from './lib/account.mjs';
import { remembering } from './lib/history.mjs';
import { stage } from './lib/stage.mjs';

const set = stage(remembering([...ACCOUNTS, '--leave-delay', '0s']));

describe('a moderator', () => {
  it('deletes, mutes, removes, bans, announces and slows down, and a restart changes none of it', async () => {
    const bob = await set.enter('Bob');
    await bob.say('an insult');
    await bob.delivered();
    const mo = await set.enter('Mo', loggedIn({ sub: '1', name: 'Mo', roles: ['moderator'] }));
    await mo.hears('an insult');
    await mo.page.focus('#log .other .dots');
    for (const key of ['Enter', 'Tab', 'Enter', 'Enter']) await mo.page.keyboard.press(key);
    for (const person of [mo, bob]) await person.reads('#log .gone', 'deleted');

    await mo.page.click('#moderate-open');
    await mo.page.fill('#mod-words', 'Be kind');
    await mo.page.click('#moderate button:text-is("Announce")');
    await bob.reads('#log .announced', 'Announcement: Be kind');
    await mo.page.selectOption('#mod-slow', '60');
    await mo.page.click('#moderate button:text-is("Set")');
    await bob.reads('#message-hint', /^One message every 60 s\./);
    await mo.page.keyboard.press('Escape');
    await bob.say('one');
    await bob.delivered();
    await bob.say('two at once');
    await bob.reads('#log .pending .state', /^Slow mode\. It is sent in (?:[1-5]\d|60) s\.$/);

    await mo.moderate('Bob', 'Mute');
    await set.server.restart('SIGKILL');
    await Promise.all([bob.returned(), mo.returned()]);
    await bob.reads('#log .failed .state', /^Not sent: you may not write at the moment/);
    assert.deepEqual(await bob.page.$$eval('#log .announced', (all) => all.length), 1);
    await bob.reads('#message-hint', /^One message every 60 s\./);

    await mo.page.waitForSelector('#people-list li:has-text("Bob")');
    await mo.moderate('Bob', 'Remove from the room');
    await bob.reads('#join-error', 'A moderator removed you from this room.');
    await bob.page.press('#name', 'Enter');
    await bob.page.waitForSelector('#room:not(.off)');
    await mo.moderate('Bob', 'Ban');
    await bob.reads('#join-error', /^A moderator has banned you from this room\./);
    await bob.page.reload();
    await mo.reads('#people-list', /^MMo.*\(you\)$/);
    await mo.page.click('#moderate-open');
    await mo.page.waitForSelector('#moderate .sanction:nth-child(2)');
    for (let left = 2; left; left--) {
      await mo.page.click('#moderate .sanction button');
      await mo.page.waitForFunction((n) => document.querySelectorAll('#moderate .sanction').length === n, left - 1);
    }
    await bob.page.reload();
    await bob.page.waitForSelector('#room:not(.off)');
    await bob.reads('#log .announced', 'Announcement: Be kind');
  });
});
