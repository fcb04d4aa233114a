// The server is killed again and again while people talk. What it acknowledged is there, and once; what it did not is said again with
// the same id, as pages do. A few times here; 200 times with `make kills`.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scenario } from './lib/scenario.mjs';

const KILLS = Number(process.env.KILLS ?? 40);
/** Acknowledgements between two kills, of all speakers together. */
const [FEWEST, MOST] = [1, 60];
const require = createRequire(import.meta.url);
const SPEAKERS = [
  { name: 'ann', generation: '4.8.4', transports: ['websocket'] },
  { name: 'bob', generation: '4.8.4', transports: ['polling'] },
  { name: 'cho', generation: '2.5.0', transports: ['websocket'] },
  { name: 'dan', generation: '1.7.4', transports: ['polling'] },
];

function connect(url, generation, transports) {
  const client = require(`socket.io-client-${generation}`);
  return (client.io ?? client)(url, { transports, forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 50, timeout: 5000 });
}

/** Says one message after the other, each until it is acknowledged, for as long as `goesOn()`. Resolves with what was acknowledged. */
function speak(url, { name, generation, transports }, goesOn, acknowledged) {
  const socket = connect(url, generation, transports);
  const said = [];
  return new Promise((resolve, reject) => {
    let life = 0;
    let isOpen = false;
    const next = (of) => {
      if (of !== life) return;
      if (!isOpen && !goesOn()) {
        socket.close();
        return resolve(said);
      }
      const text = `${name} ${said.length + 1}`;
      isOpen = true;
      socket.emit('new message', text, { id: text }, (answer) => {
        if (of !== life) return;
        if (answer.ok !== true) return reject(new Error(`${text}: ${JSON.stringify(answer)}`));
        said.push(text);
        isOpen = false;
        acknowledged();
        next(of);
      });
    };
    socket.on('connect', () => {
      const of = ++life;
      socket.emit('add user', name, (answer) => {
        if (of !== life) return;
        if (answer.ok !== true) return reject(new Error(`${name}: ${JSON.stringify(answer)}`));
        next(of);
      });
    });
    // What was on its way has no answer any more.
    socket.on('disconnect', () => (life += 1));
  });
}

/** All that the room has, from the first on. */
async function history(url) {
  const socket = connect(url, '4.8.4', ['websocket']);
  try {
    await new Promise((resolve) => socket.on('connect', resolve));
    await socket.timeout(10_000).emitWithAck('add user', 'reader');
    const texts = [];
    let before;
    do {
      const answer = await socket.timeout(10_000).emitWithAck('history', { limit: 200, ...(before && { before }) });
      assert.equal(answer.ok, true, JSON.stringify(answer));
      texts.unshift(...answer.messages.map(({ message }) => message));
      before = answer.more && answer.messages[0].position;
    } while (before);
    return texts;
  } finally {
    socket.close();
  }
}

scenario(`killed ${KILLS} times while clients of several generations talk: what was acknowledged is there, once and in order`, async (scene) => {
  const dir = mkdtempSync(join(tmpdir(), 'parlance-kills-'));
  scene.atEnd(() => rmSync(dir, { recursive: true, force: true }));
  const server = await scene.chat(['--data-dir', dir, '--history', '1000000']);
  let left = KILLS;
  let count = 0;
  let wake = () => {};
  const speaking = SPEAKERS.map((one) => speak(server.url, one, () => left > 0, () => {
    count += 1;
    wake();
  }));
  const killing = (async () => {
    for (; left > 0; left -= 1) {
      const enough = count + FEWEST + Math.floor(Math.random() * (MOST - FEWEST + 1));
      while (count < enough) await new Promise((resolve) => (wake = resolve));
      await server.restart('SIGKILL');
    }
  })();
  const [all] = await Promise.all([Promise.all(speaking), killing]);
  const texts = await history(server.url);
  assert.ok(count >= KILLS, `${count}`);
  assert.equal(new Set(texts).size, texts.length, 'nothing twice');
  for (const [at, { name }] of SPEAKERS.entries()) {
    // What was said last is acknowledged: all that was said is there.
    assert.deepEqual(texts.filter((text) => text.startsWith(`${name} `)), all[at], name);
  }
  assert.equal(texts.length, count);
});
