// What a chat room owes its members: everybody hears everybody else, each message once, in the order it was sent.

import assert from 'node:assert/strict';
import { legible } from './corpus.mjs';

let marks = 0;

/** Logs one client in, and resolves when the server has said so. */
export async function login(client) {
  const from = client.log.position;
  await client.emit('add user', client.name);
  await client.until('login', undefined, { from });
}

/** Logs all in, and resolves when each has heard of a room as large as it is now; `others` were there before. */
export async function joinAll(clients, others = 0) {
  const full = ({ numUsers }) => numUsers === clients.length + others;
  await Promise.all(clients.map(login));
  await Promise.all(clients.map((client) => client.until(['login', 'user joined'], full)));
}

/** What `listener` heard from `sender` from position `from` on. */
export function heard(listener, sender, from = 0) {
  return listener.log
    .all('new message', from)
    .filter(([{ username }]) => username === sender.name)
    .map(([{ message }]) => message);
}

/** Each of `senders` says `texts`; every other one of `clients` must hear just that, unharmed. */
export async function exchange(clients, texts, senders = clients) {
  const talk = new Talk(clients, senders);
  await Promise.all(senders.map((sender) => talk.say(sender, texts)));
  await talk.end();
}

/** `count` numbered messages from each to each. */
export function exchangeNumbers(clients, count, senders = clients) {
  return exchange(clients, Array.from({ length: count }, (_, n) => `${++marks}/${n}`), senders);
}

/** A stretch of conversation: it remembers who said what, and checks at the end who heard what. */
export class Talk {
  #clients;
  #said;
  #start;
  #chatter = [];
  #quiet = false;

  constructor(clients, senders = clients) {
    this.#clients = clients;
    this.#said = new Map(senders.map((sender) => [sender, []]));
    this.#start = new Map(clients.map((client) => [client, client.log.position]));
  }

  say(sender, texts) {
    this.#said.get(sender).push(...texts);
    return sender.emitEach('new message', texts);
  }

  /** Every sender keeps sending a numbered message every few milliseconds, until `hush`. */
  chatter(senders = [...this.#said.keys()], period = 4) {
    for (const sender of senders) this.#chatter.push(this.#talkOn(sender, period));
    return this;
  }

  async #talkOn(sender, period) {
    while (!this.#quiet) {
      await this.say(sender, [`${++marks}`]);
      await new Promise((resolve) => setTimeout(resolve, period));
    }
  }

  async hush() {
    this.#quiet = true;
    await Promise.all(this.#chatter);
  }

  /** Resolves when `listener` has heard `count` more messages of `sender` than it has now. */
  async more(listener, sender, count) {
    let left = count;
    await listener.until('new message', ({ username }) => username === sender.name && --left === 0, { from: listener.log.position });
  }

  /** Resolves when `count` more messages have gone from each to each between the two groups. */
  flowing(these, those, count) {
    return Promise.all(these.flatMap((one) => those.flatMap((other) => [this.more(one, other, count), this.more(other, one, count)])));
  }

  /** What `sender` has said. */
  said(sender) {
    return this.#said.get(sender);
  }

  /** What `listener` has heard of `sender` since the talk began. */
  heard(listener, sender) {
    return heard(listener, sender, this.#start.get(listener));
  }

  /**
   * A last word from each sender, and when all have heard all last words, the check: nothing lost, doubled, changed,
   * out of order, or echoed to its sender.
   */
  async end() {
    await this.hush();
    const last = `end of talk ${++marks}`;
    await Promise.all([...this.#said.keys()].map((sender) => this.say(sender, [last])));
    for (const [sender, texts] of this.#said) {
      for (const listener of this.#clients) {
        if (listener === sender) {
          assert.deepEqual(this.heard(sender, sender), [], `${sender.name} must not hear itself`);
          continue;
        }
        const from = this.#start.get(listener);
        await listener.until('new message', ({ username, message }) => username === sender.name && message === last, { from });
        assertSame(this.heard(listener, sender), texts, `${listener.name} hearing ${sender.name}`);
      }
    }
  }
}

function assertSame(actual, expected, who) {
  const index = expected.findIndex((text, n) => actual[n] !== text);
  if (index >= 0) {
    assert.fail(`${who}: message ${index} of ${expected.length} should be ${legible(expected[index])} but is ${legible(actual[index])}`);
  }
  assert.equal(actual.length, expected.length, `${who}: too many messages`);
}
