// The pages in Chromium, in front of the real server.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { findChromium } from '../../interop/lib/chromium.mjs';
import { startChat } from '../../interop/lib/server.mjs';

const folder = fileURLToPath(new URL('../../../static', import.meta.url));

/** Upper bound of every wait, in milliseconds. Reaching it is a failure, never a pace. */
export const PATIENCE = 60_000;

/** The server, with the pages as they are in the working tree. */
export function startServer(...args) {
  return startChat(['--static-dir', folder, ...args]);
}

/**
 * The same, but a connection test is in a hurry there: it does not leave the best transport alone for ten seconds, to see what
 * becomes of it. For tests of something else.
 */
export function startHastyServer(...args) {
  hasty ??= hurry();
  return startChat(['--static-dir', hasty, ...args]);
}

let hasty;

function hurry() {
  const copy = mkdtempSync(join(tmpdir(), 'parlance-pages-'));
  process.on('exit', () => rmSync(copy, { recursive: true, force: true }));
  cpSync(folder, copy, { recursive: true });
  let script = readFileSync(join(copy, 'trial.js'), 'utf8');
  for (const [name, ms] of [['SILENT_MS', 200], ['HOLD_MS', 500]]) {
    const changed = script.replace(new RegExp(`var ${name} = \\d+;`), `var ${name} = ${ms};`);
    if (changed === script) throw new Error(`trial.js has no ${name}`);
    script = changed;
  }
  writeFileSync(join(copy, 'trial.js'), script);
  return copy;
}

/** `args` are further switches of Chromium. */
export async function startBrowser(...args) {
  return launch(findChromium(), args);
}

/** The same in the Chromium that people have: for what the headless shell has not. */
export async function startWholeBrowser(...args) {
  return launch(findChromium({ whole: true }), args);
}

function launch(executablePath, args) {
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', ...args],
  });
}

/**
 * A window of its own. `without` names globals that its pages do not have; `options` go to the browser.
 * Errors of the page's scripts are kept in `page.errors`.
 */
export async function openPage(browser, { without = [], script, ...options } = {}) {
  const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  await context.addInitScript((names) => {
    // not in frames: Chromium crashes when a frame loses its JSON while it loads
    if (window.parent !== window) return;
    for (const name of names) Object.defineProperty(window, name, { value: undefined, configurable: true, writable: true });
  }, without);
  if (script) await context.addInitScript(script);
  const page = await context.newPage();
  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(error));
  return page;
}

/** One person in the room. */
export class Person {
  static async enter(browser, url, name, options) {
    const page = await openPage(browser, options);
    const person = new Person(page);
    await page.goto(url);
    if (options?.storageState) await person.isIn(name);
    else await person.join(name);
    return person;
  }

  constructor(page) {
    this.page = page;
  }

  async join(name) {
    await this.page.fill('#name', name);
    await this.page.press('#name', 'Enter');
    await this.isIn(name);
  }

  /** Waits until the page is in the room: that of somebody with an account comes there by itself. */
  async isIn(name) {
    await this.page.waitForSelector('#room:not(.off)');
    this.name = name;
  }

  async say(text) {
    await this.page.fill('#message', text);
    await this.page.press('#message', 'Enter');
  }

  /** As a moderator, does that to somebody in the list of people: `what` is the label of the button. */
  async moderate(who, what) {
    await this.page.hover(`#people-list li:has-text("${who}")`);
    await this.page.click(`#people-list li:has-text("${who}") .dots`);
    await this.page.click(`#moderate button:text-is("${what}")`);
    await this.reads('#moderate [role=status]', 'Done.');
    await this.page.keyboard.press('Escape');
  }

  /** All messages in the log: `[name, text]`, one's own under the name `me`. */
  messages() {
    return this.page.$$eval('#log .msg', (items) =>
      items.map((item) => [item.classList.contains('own') ? 'me' : item.querySelector('.who .iso').textContent, item.querySelector('.text').textContent]),
    );
  }

  /** The texts of all messages in the log. */
  texts() {
    return this.page.$$eval('#log .text', (all) => all.map((item) => item.textContent));
  }

  /** Scrolls the log to its top, or to its end. */
  scroll(where) {
    return this.page.$eval('#log', (log, end) => (log.scrollTop = end ? log.scrollHeight : 0), where === 'down');
  }

  /** Waits until that text is in the log, `times` times; of a folded one, what is seen of it. */
  hears(text, times = 1) {
    return this.page.waitForFunction(
      ([wanted, count]) => {
        const folded = (item) => item.parentNode.matches('.long:not(.unfolded)');
        const is = (item) => (folded(item) ? item.textContent.length > 1 && wanted.length >= item.textContent.length && wanted.startsWith(item.textContent.slice(0, -1)) : item.textContent === wanted);
        return [...document.querySelectorAll('#log .text')].filter(is).length === count;
      },
      [text, times],
    );
  }

  /** Waits until nothing of one's own is on its way any more. */
  delivered() {
    return this.page.waitForFunction(() => !document.querySelector('#log .pending'));
  }

  /** Waits until this page was cut off and is in the room again. */
  returned() {
    return this.page.waitForFunction(() => [...document.querySelectorAll('#log .note')].some((note) => /^Not connected from/.test(note.textContent)));
  }

  /** Waits until that selector shows that text, or something that matches it. */
  reads(selector, wanted) {
    const [source, flags] = wanted instanceof RegExp ? [wanted.source, wanted.flags] : [`^${wanted.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`, ''];
    return this.page.waitForFunction(
      ([where, pattern, how]) => {
        const item = document.querySelector(where);
        return item && !item.closest('.off') && new RegExp(pattern, how).test(item.textContent.trim());
      },
      [selector, source, flags],
    );
  }

  /** Waits until the transport of that name carries the session. */
  travelsBy(form) {
    return this.page.waitForSelector(`#badge[data-transport="${form}"]`);
  }

  leave() {
    return this.page.context().close();
  }
}
