// Moderators on the page, what those see of it whom it is about, and marks of verified people.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventually } from '../interop/lib/eventually.mjs';
import { isClean } from './lib/axe.mjs';
import { RememberingServer } from './lib/remembering-server.mjs';
import { stage } from './lib/stage.mjs';

const set = stage(async () => {
  const server = await RememberingServer.start();
  server.moderators.add('Mo');
  server.verified.add('Vera');
  return server;
});

const done = (person) => person.reads('#moderate [role=status]', 'Done.');

describe('a moderator', () => {
  it('deletes what others have said, for everybody', async () => {
    const [mo, bob] = [await set.enter('Mo'), await set.enter('Bob')];
    await bob.say('an insult');
    await mo.hears('an insult');
    await mo.page.focus('#log .other .dots');
    await mo.page.keyboard.press('Enter');
    await isClean(mo.page, 'a moderator');
    await mo.page.keyboard.press('Tab');
    await mo.page.keyboard.press('Enter');
    await mo.reads('#log .choice', /^Delete it for everybody\?/);
    await mo.page.keyboard.press('Enter');
    for (const person of [mo, bob]) await person.reads('#log .gone', 'deleted');
    assert.equal(await bob.page.$$eval('#log .other .dots, #people-list .dots', (all) => all.length), 0, 'others have no such button');
    assert.ok(await bob.page.isHidden('#moderate-open'));
  });

  it('mutes somebody, removes them, and bans them', async () => {
    const [mo, bob] = [await set.enter('Mo'), await set.enter('Bob')];
    await mo.page.hover('#people-list li:has-text("Bob")');
    await mo.page.click('#people-list li:has-text("Bob") .dots');
    await mo.reads('#moderate h2', 'Moderate Bob');
    await mo.page.selectOption('#mod-mute', '3600');
    await mo.page.click('#moderate button:text-is("Mute")');
    await done(mo);
    await isClean(mo.page, 'a moderator');
    await bob.say('may I?');
    await bob.reads('#log .failed .state', /^Not sent: you may not write at the moment/);
    await mo.page.click('#moderate button:text-is("Remove from the room")');
    await bob.reads('#join-error', 'A moderator removed you from this room.');
    await mo.reads('#people-list', 'MMo (you)');
    assert.ok(set.server.asked.some(([word, what]) => word === 'moderate' && what.action === 'mute' && what.seconds === 3600 && what.username === 'Bob'));
    // who was removed may come back, under that name
    await bob.page.press('#name', 'Enter');
    await bob.page.waitForSelector('#room:not(.off)');
    await mo.page.keyboard.press('Escape');
    await mo.page.hover('#people-list li:has-text("Bob")');
    await mo.page.click('#people-list li:has-text("Bob") .dots');
    await mo.page.selectOption('#mod-ban', { label: 'ever' });
    await mo.page.click('#moderate button:text-is("Ban")');
    await bob.reads('#join-error', 'A moderator has banned you from this room.');
    assert.ok(set.server.asked.some(([word, what]) => word === 'moderate' && what.action === 'ban' && what.seconds === 0));
    // a mute that is over
    await mo.page.check('#mod-address');
    await mo.page.click('#moderate button:text-is("Mute")');
    await done(mo);
    await eventually(() => assert.ok(set.server.asked.some(([word, what]) => word === 'moderate' && what.action === 'mute' && what.address)));
    await mo.page.keyboard.press('Escape');
    await mo.page.click('#moderate-open');
    await mo.reads('#moderate .sanction', /Bob: muted until/);
    await isClean(mo.page, 'who is muted');
    await mo.page.click('#moderate .sanction button');
    await done(mo);
    await mo.page.waitForSelector('#moderate .sanction', { state: 'detached' });
  });

  it('announces something, which stays in the history, and slows the room down', async () => {
    const [mo, bob] = [await set.enter('Mo'), await set.enter('Bob')];
    await mo.page.click('#moderate-open');
    await mo.page.fill('#mod-words', 'Maintenance at **noon**');
    await mo.page.click('#moderate button:text-is("Announce")');
    await done(mo);
    await mo.page.selectOption('#mod-slow', '15');
    await mo.page.click('#moderate button:text-is("Set")');
    await bob.reads('#log .announced', 'Announcement: Maintenance at noon');
    await bob.reads('#message-hint', /^One message every 15 s\./);
    await bob.page.reload();
    await bob.reads('#log .announced', 'Announcement: Maintenance at noon');
    await isClean(bob.page, 'an announcement');
    await isClean(mo.page, 'a moderator');
  });
});

describe('a verified person', () => {
  it('has a mark that no name can bring about', async () => {
    const [bob, vera, faker] = [await set.enter('Bob'), await set.enter('Vera'), await set.enter('Vera ✓')];
    await vera.say('it is me');
    await bob.hears('it is me');
    await faker.say('me, too');
    await bob.hears('me, too');
    const marks = await bob.page.$$eval('#log .who, #people-list .person', (all) => all.map((one) => [one.querySelector('.iso').textContent, Boolean(one.querySelector('.rank.verified'))]));
    assert.deepEqual(marks.filter(([name]) => name === 'Vera'), [['Vera', true], ['Vera', true]]);
    assert.deepEqual(marks.filter(([name]) => name !== 'Vera').map(([, is]) => is), marks.filter(([name]) => name !== 'Vera').map(() => false));
  });
});
