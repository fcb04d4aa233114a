// People with an account, at the real server: the page comes with the cookie of its site, and others see who it is.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ACCOUNTS, cookie, loggedIn, token } from './lib/account.mjs';
import { remembering } from './lib/history.mjs';
import { Person, openPage } from './lib/pages.mjs';
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

describe('a token that expires', () => {
  const soon = () => Math.floor(Date.now() / 1000) + 25;

  it('is renewed by the site that the page is in, and nobody notices', async () => {
    const bob = await set.enter('Bob');
    const page = await openPage(set.browser);
    const given = [];
    await page.exposeFunction('tokenOfSite', () => {
      given.push(token({ sub: '7', name: 'Tess', ...(given.length ? {} : { exp: soon() }) }));
      return given.at(-1);
    });
    await page.addInitScript(() => (window.parlanceToken = (done) => window.tokenOfSite().then(done)));
    await page.goto(set.server.url);
    const tess = set.with(new Person(page));
    await tess.isIn('Tess');
    // whose token is not renewed is out by then
    const old = await set.enter('Olga', loggedIn({ sub: '8', name: 'Olga', exp: soon() }));
    await old.reads('#banner', /expired/);
    await tess.say('still here');
    await bob.hears('still here');
    assert.ok(given.length > 1, 'the page has asked');
    assert.equal(await page.$$eval('#log .note', (notes) => notes.filter((note) => /^Not connected/.test(note.textContent)).length), 0);
    await page.click('#you-open');
    assert.equal(await page.isDisabled('#you-name'), true, 'the account gives the name');
  });

  it('is followed by the next cookie of the site, without a name being asked for', async () => {
    const bob = await set.enter('Bob');
    const vera = await set.enter('Vera', loggedIn({ sub: '4711', name: 'Vera', exp: soon() }));
    await vera.page.context().addCookies([cookie({ sub: '4711', name: 'Vera' })]);
    await vera.reads('#log', /Not connected/);
    await vera.say('back again');
    await bob.hears('back again');
    assert.equal(await vera.page.isVisible('#join'), false);
  });
});
