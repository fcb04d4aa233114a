// Engine.IO without Socket.IO: the client of each generation gets its own text back, whatever characters it has. Until
// 1.8 it encodes what it sends and polls in another way than later ones.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { GENERATIONS } from './lib/clients.mjs';
import { PATIENCE } from './lib/log.mjs';
import { scenario } from './lib/scenario.mjs';

const TEXTS = ['plain', 'é', '€😀é', '한 Ã©', '\u2028', '한'.repeat(2000)];

/** The engine.io-client that a generation of socket.io-client depends on, as a function that opens a socket. */
function engineOf(generation) {
  const require = createRequire(createRequire(import.meta.url).resolve(`socket.io-client-${generation}/package.json`));
  const engine = require('engine.io-client');
  return typeof engine === 'function' ? engine : (url, options) => new engine.Socket(url, options);
}

function echoes(open, url, transports) {
  return new Promise((resolve, reject) => {
    const socket = open(url, { transports, path: '/engine.io' });
    const heard = [];
    const timer = setTimeout(() => reject(new Error(`heard ${JSON.stringify(heard)}`)), PATIENCE);
    const next = () => {
      if (heard.length < TEXTS.length) return socket.send(TEXTS[heard.length]);
      clearTimeout(timer);
      socket.close();
      resolve(heard);
    };
    socket.on('open', next);
    socket.on('message', (text) => {
      heard.push(text);
      next();
    });
    socket.on('error', reject);
  });
}

scenario('bare sessions give every generation its text back', async (scene) => {
  const { port } = await scene.example('engineio_echo');
  for (const generation of GENERATIONS) {
    for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
      const heard = await echoes(engineOf(generation), `ws://127.0.0.1:${port}`, transports);
      assert.deepEqual(heard, TEXTS, `${generation} ${transports}`);
    }
  }
});
