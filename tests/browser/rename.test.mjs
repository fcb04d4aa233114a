// Another name without leaving, at the real server: in all tabs, in all rooms, and after a reload.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { remembering } from './lib/history.mjs';
import { stage } from './lib/stage.mjs';

const set = stage(remembering(['--leave-delay', '0s']));

async function rename(person, name) {
  await person.page.click('#you-open');
  await person.page.fill('#you-name', name);
  await person.page.press('#you-name', 'Enter');
}

const people = (person) => person.page.$$eval('#people-list .person-name', (all) => all.map((one) => one.textContent));

describe('another name', () => {
  it('is told to others as such, holds in the other tab and after a reload, and what was said stays own', async () => {
    const bob = await set.enter('Bob');
    const ann = await set.enter('Ann');
    await ann.say('as Ann');
    await bob.hears('as Ann');
    const tab = await set.tab(ann);
    await tab.isIn('Ann');
    await rename(ann, 'Bea');
    await bob.reads('#log', /Ann is now Bea/);
    await tab.reads('#log', /Your name is now Bea/);
    for (const person of [bob, ann, tab]) await person.page.waitForFunction(() => [...document.querySelectorAll('#people-list .person-name')].map((one) => one.textContent).join() === 'Bea,Bob');
    await tab.say('from the tab');
    await bob.hears('from the tab');
    assert.deepEqual((await bob.messages()).map(([name]) => name), ['Ann', 'Bea']);
    const notes = await bob.page.$$eval('#log .note', (all) => all.map((note) => note.textContent));
    assert.deepEqual(notes.filter((note) => /Ann.* left|Bea.* joined/.test(note)), [], 'nobody left or came');
    await ann.page.reload();
    await ann.isIn('Bea');
    await ann.hears('from the tab');
    assert.deepEqual(await ann.messages(), [['me', 'as Ann'], ['me', 'from the tab']]);
  });

  it('is refused with a reason, and the reader stays who they are', async () => {
    const bob = await set.enter('Bob');
    const ann = await set.enter('Ann');
    await rename(ann, 'bob');
    await ann.reads('#you .error', /already has this name/);
    await ann.page.keyboard.press('Escape');
    await ann.say('still me');
    await bob.hears('still me');
    assert.deepEqual((await bob.messages()).map(([name]) => name), ['Ann']);
    assert.deepEqual(await people(bob), ['Ann', 'Bob']);
  });

  it('is the name in all rooms', async () => {
    const bob = await set.enter('Bob', undefined, '/#tea');
    const ann = await set.enter('Ann');
    await ann.page.evaluate(() => (location.hash = '#tea'));
    await bob.reads('#people-list', /Ann/);
    await ann.page.evaluate(() => (location.hash = ''));
    await ann.page.waitForSelector('#room:not(.off)');
    await rename(ann, 'Bea');
    await bob.reads('#log', /Ann is now Bea/);
  });
});
