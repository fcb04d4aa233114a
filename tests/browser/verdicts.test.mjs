// What the page says of faults that page and server see together: the badge, the panel, the banner, and the connection test.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FAULTS } from '../faults/faults.mjs';
import { startStage } from '../faults/lib/stage.mjs';
import { Person, openPage, startBrowser, startServer } from './lib/pages.mjs';

const folder = fileURLToPath(new URL('../../static', import.meta.url));

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());

/** A page behind that fault, and its panel; `path` is another page. */
async function behind(t, fault, { path = '/', ...options } = {}) {
  const stage = await startStage(fault, { args: ['--static-dir', folder, '--log', 'debug'] });
  t.after(() => stage.close());
  const page = await openPage(browser, options);
  t.after(() => page.context().close());
  await page.goto(`${stage.url}${path}`);
  await stage.arm(await page.evaluate(() => navigator.userAgent));
  return { stage, page, person: new Person(page) };
}

/** The cause that the panel names for a transport: `[cause, certainty, text]`. */
function ofTransport(page, name) {
  return page.$$eval('#panel .transports tbody tr', (rows, wanted) => {
    const cause = rows.find((row) => row.cells[0].textContent === wanted).querySelector('.cause');
    return cause && [cause.dataset.cause, cause.dataset.certainty, cause.textContent];
  }, name);
}

// What the fault is, what the badge says, and the cause in the panel.
const FALLBACKS = {
  'upgrade-header-dropped': [/^(Event stream|Long polling): a proxy blocks WebSocket$/, 'upgrade-header-dropped', 'certain', /got the request for the WebSocket without Upgrade.*What mends it: .*proxy_http_version/],
  'upgrade-403': [/: a proxy blocks WebSocket$/, 'upgrade-blocked', 'certain', /never reached the server.*plain requests get through \(400\)/],
  'upgrade-hangs': [/^Long polling: a proxy blocks WebSocket$/, 'upgrade-hangs', 'certain', /no answer in (?:[5-9]|1\d)\d{3} ms; the request never reached the server/],
  'wrong-accept': [/: a proxy blocks WebSocket, probably$/, 'accept-changed', 'likely', /the server answered 101, and the browser did not take it/],
  'frames-down-swallowed': [/: WebSocket does not get through$/, 'frames-down-lost', 'certain', /got the probe and answered it/],
  'frames-up-swallowed': [/: WebSocket does not get through$/, 'frames-up-lost', 'certain', /the probe never reached the server/],
  'frames-mangled': [/: WebSocket does not get through$/, 'frames-changed', 'certain', /bytes that are no WebSocket frames/],
  'killed-after-20ms': [/: WebSocket does not get through$/, 'cut-after-open', 'certain', /was cut \d+ ms after the start; code 1006/],
  'max-websockets': [/: the server does not offer WebSocket$/, 'websockets-full', 'certain', /all 1 WebSockets are taken/],
  'breaker-open': [/: the server does not offer WebSocket$/, 'breaker-open', 'certain', /the circuit breaker is open/],
};

/** Keeps what the badge has said of the cause, in order. */
const remember = () => {
  window.causes = [];
  document.addEventListener('DOMContentLoaded', () => {
    const badge = document.getElementById('badge');
    const note = () => window.causes.push(badge.dataset.cause || '');
    new MutationObserver(note).observe(badge, { attributes: true });
  });
};

describe('a fallback does not look like success, and has its cause', { concurrency: 3 }, () => {
  for (const [name, [badge, cause, certainty, text]] of Object.entries(FALLBACKS)) {
    it(name, async (t) => {
      const { page, stage } = await behind(t, FAULTS[name], { script: remember });
      await page.waitForSelector(`#badge.fallback[data-cause="${cause}"][data-certainty="${certainty}"]`);
      assert.match(await page.textContent('#badge'), badge);
      await page.click('#badge');
      await page.waitForFunction((wanted) => ParlancePanel.report().includes(wanted), `${cause} (${certainty}, `);
      const named = await ofTransport(page, 'WebSocket');
      assert.deepEqual(named.slice(0, 2), [cause, certainty]);
      assert.match(named[2], text);
      // the server tells the same in its log
      if (!/max-|breaker/.test(name)) await stage.servers[0].said(new RegExp(`fallback: .*cause="${cause}" certainty="${certainty}"`));
      const said = await page.evaluate(() => window.causes);
      assert.ok(!said.slice(said.indexOf(cause)).includes('unknown'), `a cause stays known when the same happens again: ${said}`);
      assert.deepEqual(page.errors, []);
    });
  }

  it('but for what the server does not allow, or the browser cannot', async (t) => {
    for (const [args, without, cause] of [[['--transports', 'xhr-polling'], [], 'transport-not-allowed'], [[], ['WebSocket'], 'browser-cannot']]) {
      const { page, person } = await behind(t, { server: args }, { without });
      await person.travelsBy(args.length ? 'xhr-polling' : 'eventsource');
      assert.match(await page.getAttribute('#badge', 'class'), / good$/);
      await page.click('#badge');
      assert.equal((await ofTransport(page, 'WebSocket'))[0], cause);
    }
  });
});

describe('no connection, and why', { concurrency: 3 }, () => {
  for (const [name, banner] of Object.entries({
    'everything-502': /^Not connected: The proxy does not reach the server\.$/,
    'everything-sign-in-page': /^Not connected\. Probably: A sign-in page answers in place of the server\.$/,
    'max-sessions': /^Not connected: The server has as many sessions as it may\.$/,
    'max-connections': /^Not connected: The server has as many connections as it may\.$/,
    'two-instances': /^Not connected: Several servers answer at this address, and do not know each other's sessions\.$/,
    'websocket-only-behind-a-box': /^Not connected\. Probably: Something between browser and server answers the request for the WebSocket, or cuts it\. The server allows nothing but WebSocket\.$/,
  })) {
    it(name, async (t) => {
      const { person } = await behind(t, FAULTS[name]);
      await person.reads('#banner-text', banner);
    });
  }
});

describe('a loss is put together with what the server knew of that session', { concurrency: 2 }, () => {
  for (const [name, cause] of Object.entries({ 'server-restarted': 'server-stopping', 'policy-changed': 'policy-changed' })) {
    it(name, async (t) => {
      const { page, person, stage } = await behind(t, FAULTS[name]);
      await person.travelsBy('websocket');
      await stage.act();
      await page.click('#badge');
      await page.waitForSelector(`#panel .facts .cause.certain[data-cause="${cause}"]`);
    });
  }

  it('a silence that is cut is told from a life that is limited, by keeping the next connection busy', async (t) => {
    const cut = (frames) => behind(t, { way: { frames } });
    const limited = await cut({ endMs: 2500 });
    // A limit is found if two connections last equally long, and a busy machine may lengthen one: then the page begins anew.
    const isFound = () => limited.page.waitForFunction(() => /time-limit/.test(ParlancePanel.report()), null, { timeout: 20_000 }).then(() => true, () => false);
    for (let tries = 1; tries < 3 && !(await isFound()); tries += 1) await limited.page.reload();
    await limited.page.click('#badge');
    await limited.page.waitForSelector('#panel .facts .cause[data-cause="time-limit"]');
  });
});

it('answers that are late are the fault of a server that is late itself', async (t) => {
  const { page, person, stage } = await behind(t, FAULTS['server-overloaded']);
  await person.travelsBy('websocket');
  await stage.act();
  await stage.servers[0].said(/the server is late in all that it does/);
  // The panel measures when it is opened, which may be at a moment in which the server runs.
  for (let n = 1, late = 0; late < 100; n += 1) {
    if (n > 1) await page.click('#panel .close');
    await page.click('#badge');
    const measured = await page.waitForFunction((wanted) => /^Round trip .*: ([\d ]+)$/m.exec(ParlancePanel.report())?.[1].split(' ')[wanted - 1], n);
    late = Number(await measured.jsonValue());
  }
  await page.waitForSelector('#panel .facts .cause.likely[data-cause="server-slow"]');
  assert.deepEqual(page.errors, []);
});

it('a server that knows no such namespace is asked once, and goes on', async (t) => {
  const server = await startServer('--transports', 'websocket');
  t.after(() => server.stop('SIGKILL'));
  const page = await openPage(browser);
  t.after(() => page.context().close());
  const asked = [];
  await page.routeWebSocket(/socket\.io/, (socket) => {
    const upstream = socket.connectToServer();
    socket.onMessage((message) => {
      if (typeof message === 'string' && message.startsWith('40/parlance,')) {
        asked.push(message);
        socket.send('44/parlance,{"message":"Invalid namespace"}');
      } else upstream.send(message);
    });
  });
  await page.goto(server.url);
  const person = new Person(page);
  await person.join('Ann');
  await person.travelsBy('websocket');
  await person.say('on and on');
  await person.delivered();
  assert.deepEqual(asked, ['40/parlance,']);
  assert.deepEqual(page.errors, []);
});
