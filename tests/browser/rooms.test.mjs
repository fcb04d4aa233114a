// Rooms on the page: several at once over one connection, each with an address of its own.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Person, openPage } from './lib/pages.mjs';
import { stage } from './lib/stage.mjs';

const set = stage(['--rooms', 'support,team-*,채팅']);

const into = async (person, room) => {
  await person.page.fill('#rooms-name', room);
  await person.page.press('#rooms-name', 'Enter');
  await person.reads('#place-name', `# ${room}`);
};

describe('a room', () => {
  it('has an address, and its people talk among themselves', async () => {
    const [alice, bob, carol] = [await set.enter('Alice', {}, '/#support'), await set.enter('Bob', {}, '/#support'), await set.enter('Carol', {}, '/')];
    await alice.reads('#place-name', '# support');
    await bob.say('in support');
    await alice.hears('in support');
    await carol.say('in the lobby');
    await carol.delivered();
    await alice.reads('#people-list', /^AAlice \(you\) *BBob$/);
    await carol.reads('#people-list', /^CCarol \(you\)$/);
    for (const person of [alice, bob]) assert.equal((await person.messages()).length, 1);
  });

  it('is one of several over one connection, and tells of unread messages', async () => {
    let sockets = 0;
    const page = await openPage(set.browser);
    page.on('websocket', () => sockets++);
    const alice = new Person(page);
    set.with(alice);
    await page.goto(set.server.url);
    await alice.join('Alice');
    await alice.travelsBy('websocket');
    const bob = await set.enter('Bob', {}, '/');
    await into(alice, '채팅');
    await into(alice, 'team-blue');
    await alice.say('to the team');
    await alice.delivered();
    await bob.say('one');
    await alice.reads('#rooms-list li:first-child .count', /^1/);
    await bob.say('@Alice two');
    await alice.reads('#rooms-list li:first-child .count.named', /^2/);
    assert.equal(await page.title(), '@ (2) #team-blue \u2013 Parlance');
    await page.click('#rooms-list li:first-child a');
    await alice.hears('@Alice two');
    assert.equal((await page.$$('#rooms-list .count')).length, 0);
    assert.deepEqual((await alice.messages()).map(([, text]) => text), ['one', '@Alice two']);
    await page.goBack();
    await alice.reads('#place-name', '# team-blue');
    await alice.hears('to the team');
    // what is written stays in its room
    await page.fill('#message', 'a thought for the team');
    await page.goBack();
    await alice.reads('#place-name', '# 채팅');
    assert.equal(await page.inputValue('#message'), '');
    await page.goForward();
    await alice.reads('#place-name', '# team-blue');
    assert.equal(await page.inputValue('#message'), 'a thought for the team');
    await page.reload();
    await page.waitForFunction(() => document.querySelectorAll('#rooms-list li').length === 3);
    await alice.reads('#place-name', '# team-blue');
    assert.equal(sockets, 2, 'one connection for each life of the page');
    await page.hover('#rooms-list li.current');
    await page.click('#rooms-list li.current .out');
    await page.waitForFunction(() => document.querySelectorAll('#rooms-list li').length === 2);
    await alice.reads('#place-name', /^(Lobby|# 채팅)$/);
  });

  it('that there may not be says so', async () => {
    const alice = await set.enter('Alice', {}, '/');
    await alice.page.goto(`${set.server.url}/#secret`);
    await alice.reads('#join-error', /^This room cannot be joined\./);
    await alice.page.click('#join-back a:has-text("Back to Lobby")');
    await alice.page.waitForSelector('#room:not(.off)');
    await alice.say('still here');
    await alice.hears('still here');
  });

  it('is one of a list on a phone', async () => {
    const alice = await set.enter('Alice', { viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true }, '/#support');
    await alice.page.click('#rooms-toggle');
    await into(alice, 'team-red');
    await alice.page.waitForSelector('#rooms', { state: 'hidden' });
    await alice.say('from a phone');
    await alice.delivered();
    await alice.page.click('#rooms-toggle');
    await alice.page.click('#rooms-list a:has-text("support")');
    await alice.reads('#place-name', '# support');
    await alice.page.waitForSelector('#rooms', { state: 'hidden' });
    await alice.page.click('#rooms-toggle');
    await alice.page.goBack();
    await alice.page.waitForSelector('#rooms', { state: 'hidden' });
    await alice.reads('#place-name', '# support');
    assert.equal(await alice.page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
  });
});
