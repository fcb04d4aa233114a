// Clients in pages of a headless Chromium, which carry the bundles that the packages publish for browsers.

import { existsSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { chromium } from 'playwright-core';
import { mapBytes, pack, toHex, unpack } from './bytes.mjs';
import { findChromium } from './chromium.mjs';
import { CHAT_EVENTS, Client, nameOf } from './clients.mjs';
import { EventLog } from './log.mjs';
import { openClient } from './open-client.mjs';

const require = createRequire(import.meta.url);
const HTML = '<!doctype html><meta charset="utf-8"><title>interop</title><body></body>';

/** The generations whose bundles run in a browser, oldest first. */
export const BUNDLES = ['1.0.6', '1.3.7', '1.7.4', '2.5.0', '4.8.4'].filter(
  (generation) => !process.env.INTEROP_GENERATIONS || process.env.INTEROP_GENERATIONS.split(',').includes(generation),
);

let launched;

/** The last: a page that the test hands out itself has no address on this machine, and would need leave to talk to it. */
const SWITCHES = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-features=LocalNetworkAccessChecks'];

/** A browser of its own: `{ browser, kill }`. One whose page does not end its script can only be killed. */
export async function launchBrowser() {
  const server = await chromium.launchServer({ executablePath: findChromium(), args: SWITCHES });
  return { browser: await chromium.connect(server.wsEndpoint()), kill: () => server.kill() };
}

function browser() {
  launched ??= chromium.launch({ executablePath: findChromium(), args: SWITCHES });
  return launched;
}

/** To be called when a file's tests are done. */
export async function closeBrowser() {
  await (await launched)?.close();
  launched = undefined;
}

/** An empty page of that server's origin, or of `site`. */
export async function openPlainPage(home, site, within = browser()) {
  const page = await (await (await within).newContext()).newPage();
  if (home) {
    const address = `${home}/interop-page`;
    await page.route(address, (route) => route.fulfill({ contentType: 'text/html', body: HTML }));
    await page.goto(address);
    await page.unroute(address); // from here on nothing stands between the page and the server
  } else {
    await page.goto(site.url);
  }
  return page;
}

/**
 * A page with the bundle of `generation`, or with the file `bundle`. With `home`, the address of a server, the page is of
 * that server's origin; without, of an origin of its own. `prepare` is a function that runs in the page before the bundle.
 * `within` is the browser to use, instead of the one that all tests share.
 */
export async function openPage({ generation, bundle = bundlePath(generation), home, prepare, within }) {
  const site = home ? undefined : await startSite();
  const page = await openPlainPage(home, site, within);
  const context = page.context();

  let compressed = 0;
  page.on('response', (response) => (compressed += response.headers()['content-encoding'] === 'gzip' ? 1 : 0));
  const logs = [];
  const session = await context.newCDPSession(page);
  session.on('Runtime.bindingCalled', ({ payload }) => {
    const [key, event, args] = unpack(payload);
    logs[key].push(event, args);
  });
  await session.send('Runtime.addBinding', { name: 'reportToTest' });
  if (prepare) await page.evaluate(prepare);
  await page.addScriptTag({ path: bundle });
  await page.addScriptTag({ content: [mapBytes, toHex, pack, unpack, openClient].join('\n') });
  await page.evaluate(() => (window.handles = []));

  return {
    /** Opens a client in the page. */
    open(spec) {
      spec = { events: CHAT_EVENTS, name: nameOf(generation, spec.wire), ...spec, generation, inPage: true };
      const key = logs.push(new EventLog(`${spec.name} (page)`)) - 1;
      const opened = page.evaluate(
        ([key, spec]) => {
          handles[key] = openClient(io, spec, (event, args) => reportToTest(pack([key, event, args])));
        },
        [key, spec],
      );
      opened.catch(() => {}); // told to whoever asks it for something
      const ask = async (method, ...args) => {
        await opened;
        const answer = await page.evaluate(
          async ([key, method, args]) => {
            return pack(await handles[key][method](...unpack(args)));
          },
          [key, method, pack(args)],
        );
        return answer === undefined ? undefined : unpack(answer);
      };
      return new Client(spec, logs[key], {
        emit: (name, calls) => ask('emit', name, calls),
        call: (name, args) => ask('call', name, args),
        transport: () => ask('transport'),
        id: () => ask('id'),
        returns: () => ask('returns'),
        forgetSession: () => ask('forgetSession'),
        disconnect: () => (page.isClosed() ? undefined : page.evaluate((key) => void handles[key].disconnect(), key)),
      });
    },
    /** Answers that came compressed. */
    compressed: () => compressed,
    /** Runs a function in the page. */
    evaluate: (script, argument) => page.evaluate(script, argument),
    async close() {
      await context.close();
      await site?.close();
    },
  };
}

function bundlePath(generation) {
  const root = dirname(require.resolve(`socket.io-client-${generation}/package.json`));
  return ['dist/socket.io.js', 'socket.io.js'].map((path) => join(root, path)).find(existsSync);
}

async function startSite() {
  const server = http.createServer((_, answer) => answer.setHeader('Content-Type', 'text/html').end(HTML));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
