// What every client is put through, one step after the other. A visit ends at the second step that fails, and if the
// client cannot connect or log in at the first. It has a clock of its own: a client that hangs is a result, too.

import assert from 'node:assert/strict';
import { pack } from '../../interop/lib/bytes.mjs';
import { BYTES, ECHO_EVENTS } from '../../interop/lib/echo.mjs';
import { login } from '../../interop/lib/room.mjs';
import { startCutter } from './cutter.mjs';

/** Longest wait of a step, in milliseconds. */
const STEP = 20_000;
/** Longest visit. */
const VISIT = 150_000;
const SAID = 'caf\u00e9 \ud55c\uad6d\uc5b4 \u{1f600}\u{1f468}\u200d\u{1f469} "\\" \u2028 end';
const HEARD = '\u0416\u0443\u043a \u{20bb7} \u{1f680} <b>&amp; \u00c3\u00a9 end';

let visits = 0;

/**
 * Visits the chat of `world` with the client that `open(spec)` opens, over `wire`. Resolves with what failed: `{ step: why }`.
 * `skips` are steps that the client cannot take by its nature.
 */
export async function visit(world, open, { wire, skips = [], ...spec }) {
  const failed = {};
  const cutter = await startCutter(world.before.port);
  let { neighbour } = world.before;
  const opened = [];
  const start = (more) => {
    const client = open({ wire, name: `visitor ${++visits}`, reconnect: true, delay: 1500, ...spec, ...more });
    opened.push(client);
    return client;
  };
  let current = 'connect';
  const step = async (title, body) => {
    if (skips.includes(title)) return true;
    current = title;
    try {
      await inTime(body());
      return true;
    } catch (error) {
      failed[title] = error.message.replace(/\s+/g, ' ').slice(0, 300);
      return false;
    }
  };
  const talk = async (client, said) => {
    const from = neighbour.log.position;
    await client.emit('new message', said);
    const [{ message }] = await neighbour.until('new message', ({ username }) => username === client.name, { from, ms: STEP });
    assert.equal(message, said);
  };
  try {
    const client = start({ url: cutter.url });
    const steps = {
      async connect() {
        await client.until(['connect', 'not opened'], undefined, { ms: STEP });
        const [why] = client.log.all('not opened').flat();
        if (why) throw new Error(why);
        if (wire === 'upgrade') await client.until('upgrade', undefined, { ms: STEP });
        assert.equal(await client.transport(), wire === 'upgrade' ? 'websocket' : wire);
      },
      login: () => login(client),
      say: () => talk(client, SAID),
      async hear() {
        const from = client.log.position;
        await neighbour.emit('new message', HEARD);
        await client.until('new message', ({ message }) => message === HEARD, { from, ms: STEP });
      },
      async ack() {
        const [sent] = await client.call('new message', 'with an acknowledgement');
        assert.equal(sent.ok, true);
      },
      async binary() {
        const echo = start({ url: world.echo.url, ...ECHO_EVENTS });
        await echo.connected();
        assert.equal(pack(await echo.call('message-with-ack', BYTES, 'x')), pack([BYTES, 'x']));
        await echo.emit('message', BYTES, 'x');
        assert.equal(pack(await echo.until('message-back', undefined, { ms: STEP })), pack([BYTES, 'x']));
      },
      async reconnect() {
        const from = client.log.position;
        ({ neighbour } = world.after);
        cutter.restart(world.after.port);
        await client.until('disconnect', undefined, { from, ms: STEP });
        await comeBack(client, from);
        await talk(client, `${client.name} is back`);
        // Nothing twice: some clients can be led to come back as two, and then hear themselves, too.
        const texts = [1, 2, 3, 4].map((n) => `${client.name} hears ${n}`);
        for (const text of texts) {
          await neighbour.emit('new message', text);
          await client.until('new message', ({ message }) => message === text, { from, ms: STEP });
        }
        const messages = client.log.all('new message', from).map(([{ message }]) => message);
        const own = messages.filter((message) => message.startsWith(`${client.name} `));
        assert.deepEqual(own, texts, `heard ${own}`);
      },
      async leave() {
        await client.disconnect();
        await neighbour.until('user left', ({ username }) => username === client.name, { ms: STEP });
      },
    };
    const all = async () => {
      for (const [title, body] of Object.entries(steps)) {
        const done = await step(title, body);
        if (!done && (title === 'connect' || title === 'login' || Object.keys(failed).length === 2)) break;
      }
    };
    await inTime(all(), VISIT).catch(() => (failed[current] ??= 'hangs'));
  } finally {
    await Promise.allSettled(opened.map((client) => inTime(Promise.resolve(client.disconnect()), 3_000))); // it may be stuck
    cutter.close();
  }
  return failed;
}

/** Logs in upon each connect, as an application does, until the server has said so: the first may be over at once. */
function comeBack(client, from) {
  let greeted = 0;
  const greet = async () => {
    for (;;) {
      let seen = 0;
      await client.until('connect', () => ++seen > greeted, { from, ms: STEP });
      greeted += 1;
      await Promise.resolve(client.emit('add user', client.name)).catch(() => {}); // over already
    }
  };
  return Promise.race([client.until('login', undefined, { from, ms: STEP }), greet()]);
}

function inTime(promise, ms = STEP) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(reject, ms, new Error(`nothing happened for ${ms / 1000} s`))));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
