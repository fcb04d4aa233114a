// A page of Chromium on a stage.

import { openPage, startBrowser } from '../../browser/lib/pages.mjs';
import { startStage } from './stage.mjs';

/** Names of this machine that are no `localhost`: browsers trust that more than others. */
const HOSTS = ['page.example', 'chat.example'];

export function startFaultBrowser() {
  return startBrowser(`--host-resolver-rules=${HOSTS.map((host) => `MAP ${host} 127.0.0.1`).join(',')}`, '--disable-features=LocalNetworkAccessChecks');
}

/**
 * Opens the page at `path` of the stage's server, with what `fault.browser` changes in the browser. With `from`, the page
 * is of another server and scheme, and has the client's script. Resolves with `{ page, url, close }`; `url` is the server.
 */
export async function visit(browser, stage, path = '/') {
  const { without, clockMs, offline, from } = stage.fault.browser ?? {};
  const page = await openPage(browser, { without, ignoreHTTPSErrors: true, script: clockMs && shiftClock(clockMs) });
  const closers = [() => page.context().close()];
  if (from) {
    const other = await startStage({ tls: {}, way: {} }, { upstream: stage.servers[0].port });
    closers.push(() => other.close());
    await page.goto(`${other.url.replace('127.0.0.1', 'page.example')}/diagnostics`);
  } else {
    await page.goto(`${stage.url}${path}`);
  }
  if (offline) await page.context().setOffline(true);
  const url = from ? stage.url.replace('127.0.0.1', 'chat.example') : stage.url;
  return {
    page,
    url,
    async close() {
      for (const close of closers) await close();
    },
  };
}

/** A script that has the page's clock go wrong by so many milliseconds. */
function shiftClock(ms) {
  return `(() => {
    const Right = Date;
    Date = class extends Right {
      constructor(...args) { if (args.length) super(...args); else super(Right.now() + ${ms}); }
      static now() { return Right.now() + ${ms}; }
    };
  })()`;
}
