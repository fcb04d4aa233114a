// The page in a cluster of two nodes with one history, by streams of a real Redis.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { startForwarder } from '../interop/lib/forwarder.mjs';
import { nodeFlags } from '../interop/lib/nodes.mjs';
import { startRedis } from '../interop/lib/redis.mjs';
import { ACCOUNTS, loggedIn } from './lib/account.mjs';
import { Person, startBrowser, startServer } from './lib/pages.mjs';

let browser;
let redis;
let nodes;
let front;
const KEPT = 40;   // messages
const people = [];

before(async () => (browser = await startBrowser()));
after(() => browser?.close());
beforeEach(async () => {
  redis = await startRedis();
  const flags = (await nodeFlags(2)).map((own) => own.slice(0, own.indexOf('--nodes')));
  const args = ['--cluster', redis.url, '--cluster-adapter', 'redis-streams', '--history', `${KEPT}`, '--leave-delay', '0s', ...ACCOUNTS];
  nodes = await Promise.all(flags.map((own) => startServer(...own, ...args)));
  for (const node of nodes) await node.said(/connected to Redis/);
  front = await startForwarder(nodes[0].url);
});
afterEach(async () => {
  const errors = people.flatMap((person) => person.page.errors);
  await Promise.all(people.splice(0).map((person) => person.leave()));
  front.close();
  await Promise.all(nodes.map((node) => node.stop('SIGKILL')));
  await redis.stop();
  assert.deepEqual(errors, [], 'no script failed');
});

async function enter(url, name, options) {
  const person = await Person.enter(browser, url, name, options);
  people.push(person);
  return person;
}

describe('two nodes', () => {
  it('have one history, and a reload that leads to the other keeps name, place and messages', async () => {
    const ann = await enter(front.url, 'Ann');
    const bob = await enter(nodes[1].url, 'Bob');
    for (let n = 1; n <= 3; n++) {
      await ann.say(`Ann ${n}`);
      await bob.hears(`Ann ${n}`);
      await bob.say(`Bob ${n}`);
      await ann.hears(`Bob ${n}`);
    }
    const late = await enter(nodes[0].url, 'Carol');
    await late.hears('Bob 3');
    assert.deepEqual(await late.texts(), await bob.texts());
    front.turn(nodes[1].url);
    await ann.page.reload();
    await ann.isIn('Ann');
    await ann.hears('Bob 3');
    assert.deepEqual((await ann.messages()).map(([name]) => name), ['me', 'Bob', 'me', 'Bob', 'me', 'Bob']);
    await ann.reads('#people-list', /^AAnn \(you\) *BBob *CCarol$/);
    await ann.travelsBy('websocket');
    // at once, while the first connection may still be there
    front.strike();
    front.turn(nodes[0].url);
    await ann.returned();
    await ann.say('from the first again');
    await bob.hears('from the first again');
    assert.deepEqual((await bob.messages()).at(-1), ['Ann', 'from the first again']);
  });

  it('have moderators of one reach people of the other', async () => {
    const bob = await enter(nodes[1].url, 'Bob');
    const mo = await enter(nodes[0].url, 'Mo', loggedIn({ sub: '1', name: 'Mo', roles: ['moderator'] }));
    await bob.say('an insult');
    await mo.hears('an insult');
    await mo.page.focus('#log .other .dots');
    for (const key of ['Enter', 'Tab', 'Enter', 'Enter']) await mo.page.keyboard.press(key);
    for (const person of [mo, bob]) await person.reads('#log .gone', 'deleted');
    await mo.moderate('Bob', 'Mute');
    // Bob's node hears of it a moment later.
    for (let n = 0; n < 20 && !(await bob.page.$('#log .failed')); n++) {
      await bob.say('another');
      await bob.delivered();
    }
    await bob.reads('#log .failed .state', /^Not sent: you may not write at the moment/);
    await mo.moderate('Bob', 'Remove from the room');
    await bob.reads('#join-error', 'A moderator removed you from this room.');
    await mo.reads('#people-list', /^MMo.*\(you\)$/);
  });

  it('say what is missing when more was said than is kept', async () => {
    const ann = await enter(front.url, 'Ann');
    const bob = await enter(nodes[1].url, 'Bob');
    await ann.say('first');
    await bob.hears('first');
    await ann.delivered();
    // nobody answers there
    front.turn('http://127.0.0.1:1');
    front.strike();
    await ann.page.waitForSelector('#badge:not(.good)');
    for (let n = 0; n <= KEPT; n++) {
      await bob.say(`${n}`);
      await bob.delivered();
    }
    front.turn(nodes[1].url);
    await ann.hears(`${KEPT}`);
    await ann.reads('#log', /What was said meanwhile is not shown/);
    await bob.say('last');
    await ann.hears('last');
  });

  it('go on alone while Redis is away, and what was said meanwhile has its place later', async () => {
    const ann = await enter(nodes[0].url, 'Ann');
    const eve = await enter(nodes[0].url, 'Eve');
    const bob = await enter(nodes[1].url, 'Bob');
    await ann.say('before');
    await bob.hears('before');
    redis.pause();
    await Promise.all([ann, bob].map((person) => person.reads('#cluster', /./)));
    await ann.say('meanwhile');
    await ann.delivered();
    await eve.hears('meanwhile');
    // nothing can be changed that has no place
    assert.equal((await ann.page.$$('#log .own .dots')).length, 1);
    redis.resume();
    await bob.hears('meanwhile');
    await ann.page.waitForFunction(() => document.querySelectorAll('#log .own .dots').length === 2);
    await bob.say('after');
    for (const person of [ann, eve]) await person.hears('after');
    for (const person of [ann, eve, bob]) assert.deepEqual(await person.texts(), ['before', 'meanwhile', 'after']);
    const late = await enter(nodes[1].url, 'Carol');
    await late.hears('after');
    assert.deepEqual(await late.texts(), ['before', 'meanwhile', 'after']);
  });
});
