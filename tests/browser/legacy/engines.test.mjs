// The chat page in engines of 2001 to 2016: join, talk both ways, lose the server and find it again, each by the transport
// that this engine has, or is left with.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Person, startBrowser, startServer } from '../lib/pages.mjs';
import { ENGINES } from './engines.mjs';

const TEXT = 'é 漢字 한국어 😀 \\n "q" </script>';
const NO_FRAMES = 'websocket,eventsource,xhr-polling,jsonp-polling';

const CASES = [
  // its WebSocket speaks a protocol that was given up in 2010: it is there, and never connects
  { engine: 'PhantomJS 1.9.8', by: 'eventsource', fell: 'websocket' },
  { engine: 'PhantomJS 1.9.8', policy: 'websocket,xhr-polling', by: 'xhr-polling', fell: 'websocket' },
  { engine: 'PhantomJS 1.9.8', policy: 'websocket,jsonp-polling', by: 'jsonp-polling', fell: 'websocket' },
  { engine: 'PhantomJS 1.9.8', lacks: ['EventSource'], by: 'htmlfile', fell: 'websocket' },
  { engine: 'PhantomJS 1.9.8', lacks: ['WebSocket', 'EventSource', 'XMLHttpRequest', 'JSON', 'Uint8Array'], by: 'jsonp-polling' },
  { engine: 'PhantomJS 2.1.1', by: 'websocket' },
  { engine: 'PhantomJS 2.1.1', lacks: ['WebSocket', 'EventSource'], by: 'htmlfile' },
  { engine: 'QtWebKit', by: 'websocket' },
  { engine: 'QtWebKit', lacks: ['WebSocket'], by: 'eventsource' },
  { engine: 'QtWebKit', lacks: ['WebSocket', 'EventSource'], by: 'htmlfile' },
  { engine: 'KHTML', policy: NO_FRAMES, by: 'xhr-polling' },
  { engine: 'KHTML', by: 'htmlfile' },
  // it reads a frame to its end before anything else happens, which a stream does not have
  { engine: 'HtmlUnit as IE 8', policy: NO_FRAMES, by: 'xhr-polling' },
  { engine: 'HtmlUnit as IE 8', policy: 'jsonp-polling', by: 'jsonp-polling' },
  { engine: 'HtmlUnit as IE 6', policy: NO_FRAMES, by: 'xhr-polling' },
];

const only = process.env.PARLANCE_ONLY;

// what a hand would do, in words that every engine knows
const quoted = (text) => JSON.stringify(text).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
const shown = (id) => `(' ' + document.getElementById('${id}').className + ' ').indexOf(' off ') < 0`;
const enter = (box, text, button) => `(document.getElementById('${box}').value = ${quoted(text)}, document.getElementById('${button}').click(), 1)`;
const LINES = `(function () { var all = document.getElementById('log').getElementsByTagName('span'), out = [], i; for (i = 0; i < all.length; i++) if (/(^| )text( |$)/.test(all[i].className)) out.push(all[i].textContent === undefined ? all[i].innerText : all[i].textContent); return out.join('\\u0001'); })()`;
const hears = (text) => `('\\u0001' + ${LINES} + '\\u0001').indexOf('\\u0001' + ${quoted(text)} + '\\u0001') >= 0`;
const transport = `document.getElementById('badge').getAttribute('data-transport')`;

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());

describe('an old engine', { concurrency: 2 }, () => {
  for (const { engine, lacks = [], policy, by, fell } of CASES) {
    const title = `${engine}${lacks.length ? ` without ${lacks.join(', ')}` : ''}${policy ? ` at a server that allows ${policy}` : ''} talks by ${by}`;
    if (only && !title.includes(only)) continue;
    it(title, async (t) => {
      const server = await startServer('--ping-interval', '3s', '--ping-timeout', '6s', ...(policy ? ['--transports', policy] : []));
      t.after(() => server.stop('SIGKILL'));
      const other = await Person.enter(browser, server.url, 'Other', { script: '' });
      t.after(() => other.leave());
      const old = await ENGINES[engine](`${server.url}/?lang=en`, lacks);
      t.after(() => old.stop());

      await old.value(enter('name', 'Alt 한', 'join-button'));
      await old.until(shown('room'), 'the room');
      await old.until(`${transport} === '${by}'`, `the transport ${by}`);
      await other.reads('#people-list', /Alt 한/);
      if (fell) assert.match(await old.value('ParlancePanel.report()'), new RegExp(`${fell} {2}(open|probe) {2}.*failed`), 'it tried, and fell back for real');

      for (let i = 0; i < 3; i++) {
        await old.value(enter('message', `${TEXT} up ${i}`, 'send'));
        await other.hears(`${TEXT} up ${i}`);
        await other.say(`${TEXT} down ${i}`);
        await old.until(hears(`${TEXT} down ${i}`), `message ${i}`);
      }

      await server.stop('SIGKILL');
      await old.until(`document.getElementById('badge').className.indexOf('good') < 0`, 'the loss of the server');
      await old.value(enter('message', 'written while away', 'send'));
      await server.restart();
      await other.returned();
      await old.until(`document.getElementById('badge').className.indexOf('good') >= 0`, 'the server again');
      await old.until(`${transport} === '${by}'`, `the transport ${by}, again`);
      await old.value(enter('message', 'back again', 'send'));
      await other.hears('back again');
      await other.say('welcome back');
      await old.until(hears('welcome back'), 'the answer');
      const heard = (await other.messages()).filter(([name]) => name !== 'me').map(([, text]) => text);
      assert.equal(new Set(heard).size, heard.length, `nothing twice: ${heard}`);
      assert.deepEqual(old.messages.filter((message) => /page error/i.test(message) && !/timeoutError|loadScriptError/.test(message)), [], 'no script failed');
    });
  }
});
