// The chat page in engines of 2001 to today: join, talk both ways, lose the server and find it again, each by the transport
// that this engine has, or is left with.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ENGINES } from './engines/engines.mjs';
import { startCuttingProxy } from './lib/cutting-proxy.mjs';
import { Person, startBrowser, startHastyServer, startServer } from './lib/pages.mjs';

const TEXT = 'é 漢字 한국어 😀 \\n "q" </script>';
const NO_FRAMES = 'websocket,eventsource,xhr-polling,jsonp-polling';

/**
 * Every engine, every transport, and every transport by an old and by a new engine; those with `full` are the other pairs, which
 * `make engines` tries. Their streams and WebSockets carry, too, where they are cut, and in the connection test.
 */
const CASES = [
  // its WebSocket speaks a protocol that was given up in 2010: it is there, and never connects
  { engine: 'PhantomJS 1.9.8', by: 'eventsource', fell: 'websocket' },
  { engine: 'PhantomJS 1.9.8', policy: 'websocket,xhr-polling', by: 'xhr-polling', fell: 'websocket' },
  { engine: 'PhantomJS 1.9.8', policy: 'websocket,jsonp-polling', by: 'jsonp-polling', fell: 'websocket', full: true },
  { engine: 'PhantomJS 1.9.8', lacks: ['EventSource'], by: 'htmlfile', fell: 'websocket', full: true },
  { engine: 'PhantomJS 1.9.8', lacks: ['WebSocket', 'EventSource', 'XMLHttpRequest', 'JSON', 'Uint8Array'], by: 'jsonp-polling' },
  { engine: 'PhantomJS 2.1.1', by: 'websocket' },
  { engine: 'PhantomJS 2.1.1', lacks: ['WebSocket', 'EventSource'], by: 'htmlfile', full: true },
  { engine: 'QtWebKit', by: 'websocket', full: true },
  { engine: 'QtWebKit', lacks: ['WebSocket'], by: 'eventsource' },
  { engine: 'QtWebKit', lacks: ['WebSocket', 'EventSource'], by: 'htmlfile' },
  { engine: 'KHTML', policy: NO_FRAMES, by: 'xhr-polling', full: true },
  { engine: 'KHTML', by: 'htmlfile' },
  // it reads a frame to its end before anything else happens, which a stream does not have
  { engine: 'HtmlUnit as IE 8', policy: NO_FRAMES, by: 'xhr-polling', full: true },
  { engine: 'HtmlUnit as IE 8', policy: 'jsonp-polling', by: 'jsonp-polling' },
  { engine: 'HtmlUnit as IE 6', policy: NO_FRAMES, by: 'xhr-polling' },
  { engine: 'Firefox ESR', by: 'websocket' },
  { engine: 'Firefox ESR', lacks: ['WebSocket'], by: 'eventsource', full: true },
  { engine: 'Firefox ESR', lacks: ['WebSocket', 'EventSource', 'XMLHttpRequest'], by: 'jsonp-polling' },
];

const tried = CASES.filter(({ full }) => process.env.FULL || !full);

/** What the connection test finds, each engine on its own: `w`orks, `b`locked, `u`nsupported. */
const FINDINGS = {
  'PhantomJS 1.9.8': 'bwwww',
  'PhantomJS 2.1.1': 'wwwww',
  QtWebKit: 'wwwww',
  KHTML: 'uuwww',
  'Firefox ESR': 'wwwww',
};

/** Those with a WebSocket that works; where they go when it is cut. */
const CUT = ['PhantomJS 2.1.1', 'QtWebKit', 'Firefox ESR'];

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

async function join(engine) {
  await engine.value(enter('name', 'Alt 한', 'join-button'));
  await engine.until(shown('room'), 'the room');
}

const say = (engine, text) => engine.value(enter('message', text, 'send'));
const travelsBy = (engine, name) => engine.until(`${transport} === '${name}'`, `the transport ${name}`);
const isConnected = `!!${transport}`;

async function talk(engine, other, words) {
  for (let i = 0; i < 3; i++) {
    await say(engine, `${words} up ${i}`);
    await other.hears(`${words} up ${i}`);
    await other.say(`${words} down ${i}`);
    await engine.until(hears(`${words} down ${i}`), `message ${i}`);
  }
}

// a message too long for the page, and one that freezes what looks for the ends of addresses too often
async function unfold(engine, other) {
  const folds = `(function () { var all = document.getElementById('log').getElementsByTagName('button'), out = [], i; for (i = 0; i < all.length; i++) if (/ fold( |$)/.test(all[i].className)) out.push(all[i]); return out; })()`;
  for (const [at, text] of [`long ${'word '.repeat(1200)}end`, `http://a${')'.repeat(7000)}!`].entries()) {
    await other.say(text);
    await other.delivered();
    await engine.until(`${folds}.length === ${at + 1} && ${folds}[${at}].getAttribute('aria-expanded') === 'false'`, 'a folded message');
    assert.equal(await engine.value(hears(text)), 'false');
    await engine.value(`(${folds}[${at}].click(), 1)`);
    assert.equal(await engine.value(hears(text)), 'true', 'all of it is seen');
  }
}

async function assertUnharmed(engine, other) {
  const heard = (await other.messages()).filter(([name]) => name !== 'me').map(([, text]) => text);
  assert.equal(new Set(heard).size, heard.length, `nothing twice: ${heard}`);
  // HtmlUnit itself reports requests that it could not make
  assert.deepEqual(engine.messages.filter((message) => /page error/i.test(message) && !/timeoutError|loadScriptError/.test(message)), [], 'no script failed');
}

/** The body of a test that is begun anew once if the engine hung: engines of these ages do, now and then. */
const again = (body) => (t) => body(t).catch((error) => {
  if (!/no answer to|somebody else has port/.test(error.message)) throw error;
  t.diagnostic(error.message);
  return body(t);
});

describe('an engine', { concurrency: 2 }, () => {
  for (const { engine: name, lacks = [], policy, by, fell } of tried) {
    it(`${name}${lacks.length ? ` without ${lacks.join(', ')}` : ''}${policy ? ` at a server that allows ${policy}` : ''} talks by ${by}`, again(async (t) => {
      const server = await startServer('--ping-interval', '1s', '--ping-timeout', '15s', ...(policy ? ['--transports', policy] : []));
      t.after(() => server.stop('SIGKILL'));
      const other = await Person.enter(browser, server.url, 'Other');
      t.after(() => other.leave());
      const engine = await ENGINES[name](`${server.url}/?lang=en`, lacks);
      t.after(() => engine.stop());

      await join(engine);
      await travelsBy(engine, by);
      await other.reads('#people-list', /Alt 한/);
      if (fell) assert.match(await engine.value('ParlancePanel.report()'), new RegExp(`${fell} {2}(open|probe) {2}.*failed`), 'it tried, and fell back for real');
      await talk(engine, other, TEXT);
      await unfold(engine, other);

      await server.stop('SIGKILL');
      await engine.until(`!(${isConnected})`, 'the loss of the server');
      await say(engine, 'written while away');
      await server.restart();
      await other.returned();
      await engine.until(isConnected, 'the server again');
      await travelsBy(engine, by);
      await engine.until(`document.getElementById('log').innerHTML.indexOf('pending') < 0`, 'what was written while away to be sent');
      await talk(engine, other, 'back again');
      await assertUnharmed(engine, other);
    }));
  }

  for (const [name, findings] of Object.entries(FINDINGS)) {
    it(`${name} runs the connection test`, again(async (t) => {
      const server = await startHastyServer();
      t.after(() => server.stop('SIGKILL'));
      const engine = await ENGINES[name](`${server.url}/diagnostics?lang=en`);
      t.after(() => engine.stop());
      await engine.value(`(document.getElementById('start').click(), 1)`);
      await engine.until(`document.getElementById('report-state').getElementsByTagName('span').length`, 'the number of the report');
      const report = await engine.value(`document.getElementById('report').value.replace(/\\s+/g, ' ')`);
      const kinds = ['websocket', 'eventsource', 'htmlfile', 'xhr-polling', 'jsonp-polling'].map((transport) => new RegExp(` ${transport}: (\\w)`).exec(report)?.[1]);
      assert.equal(kinds.join(''), findings, report);
      const id = await engine.value(`document.getElementById('report-state').getElementsByTagName('span')[0].innerHTML`);
      await server.said(new RegExp(`diagnostics report.*${id}`));
    }));
  }

  for (const name of CUT) {
    it(`${name} goes on by another way when WebSockets are cut in the middle of a conversation`, again(async (t) => {
      const server = await startServer();
      t.after(() => server.stop('SIGKILL'));
      const proxy = await startCuttingProxy(server.port);
      t.after(() => proxy.close());
      const other = await Person.enter(browser, server.url, 'Other');
      t.after(() => other.leave());
      const engine = await ENGINES[name](`${proxy.url}/?lang=en`);
      t.after(() => engine.stop());

      await join(engine);
      await travelsBy(engine, 'websocket');
      await talk(engine, other, 'before');
      proxy.cut();
      await engine.until(`!(${isConnected})`, 'the loss of the connection');
      await say(engine, 'said into the gap');
      await other.hears('said into the gap');
      await travelsBy(engine, 'eventsource');
      await talk(engine, other, 'after');
      await assertUnharmed(engine, other);
    }));
  }
});
