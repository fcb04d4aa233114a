// People with an account, at the real server: the page comes with the cookie of its site, and others see who it is.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ACCOUNTS, loggedIn } from './lib/account.mjs';
import { remembering } from './lib/history.mjs';
import { stage } from './lib/stage.mjs';

const set = stage(remembering([...ACCOUNTS, '--leave-delay', '0s']));
const VERA = loggedIn({ sub: '4711', name: 'Vera' });

describe('a verified person', () => {
  it('has a mark in the list, in the log and in the history, and nobody else has the name', async () => {
    const bob = await set.enter('Bob');
    const vera = await set.enter('Vera', VERA);
    await vera.say('it is me');
    await bob.hears('it is me');
    const marks = () => bob.page.$$eval('#log .other .who, #people-list .person', (all) => all.map((one) => [one.querySelector('.iso').textContent, Boolean(one.querySelector('.rank.verified'))]));
    const both = [['Bob', false], ['Vera', true], ['Vera', true]];
    const sorted = async () => (await marks()).sort(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(await sorted(), both);
    await bob.page.reload();
    await bob.hears('it is me');
    await bob.page.waitForSelector('#people-list .person:nth-child(2)');
    assert.deepEqual(await sorted(), both);
    // it is the same person in every window, and what they said is theirs
    await vera.page.waitForSelector('#log .own .dots', { state: 'attached' });
    const again = await set.enter('Vera', VERA);
    await again.page.waitForSelector('#log .own .dots', { state: 'attached' });
    assert.deepEqual(await again.messages(), [['me', 'it is me']]);
    const faker = await set.visit();
    await faker.page.fill('#name', 'Vera');
    await faker.page.press('#name', 'Enter');
    await faker.reads('#join-error', 'Somebody here already has this name.');
  });
});
