// Pages of three times, each with the words of its own: one room.

import { after } from 'node:test';
import { closeBrowser } from './lib/browser.mjs';
import { scenario } from './lib/scenario.mjs';

after(closeBrowser);

/** Runs in each page: writes down what is heard, and lets the test wait for a line of it. */
function takeNotes() {
  const lines = [];
  const waiting = [];
  window.note = (...words) => {
    const line = words.map((word) => (typeof word === 'string' ? word : JSON.stringify(word))).join(' | ');
    lines.push(line);
    for (const look of waiting.splice(0)) look();
  };
  window.heard = (wanted) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`never heard "${wanted}", but: ${lines.join(' // ')}`)), 60_000);
      (function look() {
        const at = lines.indexOf(wanted);
        if (at < 0) return waiting.push(look);
        lines.splice(0, at + 1);
        clearTimeout(timer);
        resolve();
      })();
    });
}

/** Each page's script, and what it says and hears. */
const PAGES = {
  nicknames: {
    generation: '0.9.17',
    script(url) {
      const socket = (window.socket = io.connect(url));
      for (const event of ['announcement', 'user message']) {
        socket.on(event, (...args) => note(event, ...args));
      }
      socket.on('nicknames', (all) => note('nicknames', ...Object.values(all).sort()));
      socket.on('connect', () => note('connected'));
    },
  },
  users: {
    generation: '1.0.6',
    script(url) {
      const socket = (window.socket = io(url));
      for (const event of ['login', 'user joined', 'user left', 'new message', 'typing', 'stop typing']) {
        socket.on(event, (...args) => note(event, ...args));
      }
      socket.on('connect', () => note('connected'));
    },
  },
  tutorial: {
    generation: '4.8.4',
    script(url) {
      const socket = (window.socket = io(url));
      socket.on('chat message', (text) => note(text));
      socket.on('connect', () => note('connected'));
    },
  },
};

async function openPages(scene, url) {
  const opened = await Promise.all(
    Object.entries(PAGES).map(async ([name, { generation, script }]) => {
      const page = await scene.page({ generation, home: url, prepare: takeNotes });
      await page.evaluate(script, url);
      const hears = (line) => page.evaluate((wanted) => heard(wanted), line);
      await hears('connected');
      const says = (...event) => page.evaluate((event) => void socket.emit(...event), event);
      return [name, { page, says, hears }];
    }),
  );
  return Object.fromEntries(opened);
}

scenario('the pages of 0.9, of 1.x and of the tutorial share one room', async (scene) => {
  const server = await scene.chat();
  const { nicknames, users, tutorial } = await openPages(scene, server.url);

  await tutorial.says('chat message', 'first');
  await tutorial.hears('first');

  const taken = (name) =>
    nicknames.page.evaluate((name) => new Promise((resolve) => socket.emit('nickname', name, resolve)), name);
  await users.says('add user', 'alice');
  await users.hears('login | {"numUsers":1}');
  await tutorial.hears('alice joined');
  if ((await taken('alice')) !== true) throw new Error('a taken nickname was given away');
  if ((await taken('bob')) !== false) throw new Error('a free nickname was refused');
  await nicknames.hears('nicknames | alice | bob');
  await users.hears('user joined | {"username":"bob","numUsers":2}');
  await tutorial.hears('bob joined');

  await users.says('new message', 'hi <b>한😀');
  await nicknames.hears('user message | alice | hi &lt;b&gt;한😀');
  await tutorial.hears('alice: hi <b>한😀');

  await nicknames.says('user message', 'from 2011');
  await users.hears('new message | {"username":"bob","message":"from 2011"}');
  await tutorial.hears('bob: from 2011');

  await tutorial.says('chat message', 'no name');
  await tutorial.hears('no name');
  await users.hears('new message | {"username":"(no name)","message":"no name"}');
  await nicknames.hears('user message | (no name) | no name');

  await users.page.evaluate(() => void socket.close());
  await nicknames.hears('announcement | alice disconnected');
  await nicknames.hears('nicknames | bob');
  await tutorial.hears('alice left');
});
