// Other engines than Chromium, each behind the same two questions: what is the value of this expression, and when is it true?

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { launch } from 'puppeteer-core';
import { freePort } from '../../interop/lib/ports.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const home = process.env.PARLANCE_ENGINES ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'parlance-engines');
const PATIENCE = 40_000;
/** Between two looks at the page: no engine here tells by itself. */
const PAUSE = 50;

/** What the page shows, for who has to find out why it waited: the panel's report and the end of the log. */
const SEEN = `(window.ParlancePanel ? ParlancePanel.report() + '\\nLog: ' + document.getElementById('log').innerHTML.slice(-4000) : document.body.innerHTML)`;

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

function need(name) {
  const path = join(home, name);
  if (!existsSync(path)) throw new Error(`${name} is missing in ${home}: run tests/browser/engines/setup.sh, or point PARLANCE_ENGINES to the engines`);
  return path;
}

/** A script that takes globals away before those of the page run. */
const without = (names) => names.map((name) => `try { delete window.${name}; } catch (e) {} if (window.${name}) window.${name} = undefined;`).join(' ');

/** A page that answers questions. */
export class Engine {
  /** What the page's scripts said, and their errors. */
  messages = [];

  /** Resolves as soon as the expression is true. */
  async until(expression, what = expression) {
    const end = Date.now() + PATIENCE;
    while ((await this.value(`!!(${expression})`)) !== 'true') {
      if (Date.now() > end) throw new Error(`waited in vain for ${what}\n${await this.value(SEEN)}\n${this.messages.join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }
}

/** A program that reads an expression a line and answers each with a line. */
class Program extends Engine {
  #waiting = [];

  constructor(command, args, env = {}) {
    super();
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env }, detached: true });
    this.child = child;
    running.add(child);
    this.gone = new Promise((resolve) => child.once('exit', resolve)).then(() => {
      running.delete(child);
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`the engine ended; it said:\n${this.messages.join('\n')}`));
    });
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text) => this.messages.push(text.trimEnd()));
    this.ready = new Promise((resolve, reject) => {
      this.gone.then(() => reject(new Error(`the engine ended; it said:\n${this.messages.join('\n')}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (/^ready/.test(line)) resolve();
        else if (/^[=!]/.test(line) && this.#waiting.length) this.#waiting.shift().resolve(line);
        else this.messages.push(line);
      });
    });
    this.ready.catch(() => {});
  }

  /** Sends one line to the engine and resolves with the line that it answers. */
  ask(expression) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.child.stdin.write(`${expression.replace(/\s*\n\s*/g, ' ')}\n`);
    });
  }

  async value(expression) {
    // an engine that hangs is ended, which those who wait for it hear of
    const timer = setTimeout(() => {
      this.messages.push(`no answer to ${expression}`);
      process.kill(-this.child.pid, 'SIGKILL');
    }, PATIENCE);
    const line = await this.ready.then(() => this.ask(expression)).finally(() => clearTimeout(timer));
    if (line[0] === '!') throw new Error(`${line.slice(1)} in ${expression}`);
    return line.slice(1);
  }

  async stop() {
    try {
      process.kill(-this.child.pid, 'SIGKILL');
    } catch {
      this.child.kill('SIGKILL');
    }
    await this.gone;
    this.cleanUp?.();
  }
}

class Phantom extends Program {
  static async start(binary, url, lacks, env) {
    const port = await freePort();
    const engine = new Phantom(need(binary), [join(here, 'phantom.js'), url, String(port), without(lacks)], env);
    engine.url = `http://127.0.0.1:${port}/`;
    return engine;
  }

  // its standard input would stop the page while it is read
  async ask(expression) {
    const answer = await fetch(`${this.url}?${Buffer.from(expression).toString('hex')}`, { headers: { Connection: 'close' } });
    return answer.text();
  }
}

class Firefox extends Engine {
  static async start(url, lacks) {
    const executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
    if (!existsSync(executablePath)) throw new Error(`${executablePath} is missing: install firefox-esr, or point FIREFOX to one`);
    const engine = new Firefox();
    engine.browser = await launch({ browser: 'firefox', executablePath, env: { ...process.env, MOZ_DISABLE_CONTENT_SANDBOX: '1' }, extraPrefsFirefox: OFFLINE, timeout: 120_000 });
    engine.page = await engine.browser.newPage();
    engine.page.setDefaultNavigationTimeout(120_000);
    engine.page.on('console', (message) => engine.messages.push(`console: ${message.text()}`));
    engine.page.on('pageerror', (error) => engine.messages.push(`page error: ${error.message}`));
    await engine.page.evaluateOnNewDocument(without(lacks));
    await engine.page.goto(url);
    return engine;
  }

  value(expression) {
    return this.page.evaluate(`'' + (${expression})`);
  }

  async stop() {
    this.browser.process().kill('SIGKILL');
    await this.browser.close().catch(() => {});
  }
}

/** Nothing that would look for its makers' hosts. */
const OFFLINE = {
  'app.update.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.search.update': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.getAddons.cache.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'network.dns.disablePrefetch': true,
  'network.prefetch-next': false,
  'services.settings.server': 'data:,x',
};

/** Starts an engine by name, on that page, without those globals. */
export const ENGINES = {
  'PhantomJS 1.9.8': (url, lacks = []) => Phantom.start('phantomjs19', url, lacks, { LD_LIBRARY_PATH: join(home, 'no-ssl') }),
  'PhantomJS 2.1.1': (url, lacks = []) => Phantom.start('phantomjs21', url, lacks, { OPENSSL_CONF: '/dev/null', QT_QPA_PLATFORM: 'phantom' }),
  // Debian's own Python: another one has no PyQt
  QtWebKit: async (url, lacks = []) => new Program('/usr/bin/python3', [join(here, 'qtwebkit.py'), url, without(lacks)]),
  'HtmlUnit as IE 8': async (url) => htmlUnit('INTERNET_EXPLORER_8', url),
  'HtmlUnit as IE 6': async (url) => htmlUnit('INTERNET_EXPLORER_6', url),
  KHTML: khtml,
  'Firefox ESR': (url, lacks = []) => Firefox.start(url, lacks),
};

function htmlUnit(version, url) {
  need('HtmlUnit.class');
  return new Program('java', ['-Xmx256m', '-cp', `${home}:${need('htmlunit.jar')}`, 'HtmlUnit', version, url]);
}

/** KHTML wants a desktop of its own: a home, a bus, and no application that could take its frames over. */
async function khtml(url) {
  const folder = mkdtempSync(join(tmpdir(), 'khtml-'));
  for (const name of ['run', 'config', 'share', 'cache', 'local']) mkdirSync(join(folder, name), { mode: 0o700 });
  writeFileSync(join(folder, 'config', 'mimeapps.list'), '[Added KDE Service Associations]\ntext/html=khtml.desktop;\n');
  writeFileSync(join(folder, 'config', 'khtmldriverc'), '[Notification Messages]\nWarnOnUnencryptedForm=false\n');
  for (const name of readdirSync('/usr/share')) if (name !== 'applications') symlinkSync(join('/usr/share', name), join(folder, 'share', name));
  const env = {
    HOME: folder, XDG_RUNTIME_DIR: join(folder, 'run'), XDG_CONFIG_HOME: join(folder, 'config'), XDG_CACHE_HOME: join(folder, 'cache'), XDG_DATA_HOME: join(folder, 'local'),
    XDG_DATA_DIRS: join(folder, 'share'), XDG_CONFIG_DIRS: join(folder, 'config'), QT_QPA_PLATFORM: 'offscreen', DISPLAY: '', DBUS_SESSION_BUS_ADDRESS: '',
  };
  const engine = new Program('sh', ['-c', 'kbuildsycoca5 > /dev/null 2>&1 < /dev/null; exec dbus-run-session -- "$0" "$1"', need('khtml'), url], env);
  engine.cleanUp = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  return engine;
}
