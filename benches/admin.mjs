// How long the administrator's requests and the metrics take while many sessions are open, and how long the page takes to
// show them.
//
//   node benches/admin.mjs [--sessions N] [--rounds N] [--no-page]
//
// Wants what benches/run.mjs wants, and for the page what the tests in tests/browser want. Six of seven sessions are idle
// WebSockets, one polls, by two connections. Prints a line for each request: milliseconds to the whole answer, and bytes.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startChat } from '../tests/interop/lib/server.mjs';

const { values: options } = parseArgs({
  options: { sessions: { type: 'string', default: '15000' }, rounds: { type: 'string', default: '40' }, page: { type: 'boolean', default: true } },
  allowNegative: true,
});
const [SESSIONS, ROUNDS] = [Number(options.sessions), Number(options.rounds)];
const LOADGEN = process.env.LOADGEN ?? fileURLToPath(new URL('loadgen/target/release/loadgen', import.meta.url));
const TOKEN = 'sixteen characters';
/** Of one process that makes load: each may have so many files open. */
const MOST = 5000;

const server = await startChat(['--max-sessions', '0', '--max-connections-per-address', '0', '--admin-token', TOKEN, '--admin-address', '127.0.0.1:0', '--log', 'error']);
const [, place] = await server.said(/administrators at (\S+)\/admin\n/);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

async function ask(path) {
  const started = performance.now();
  const request = http.get(`${place}/${path}`, { agent, headers: { Authorization: `Bearer ${TOKEN}` } });
  const [answer] = await once(request, 'response');
  const pieces = [];
  for await (const piece of answer) pieces.push(piece);
  const [body, ms] = [Buffer.concat(pieces), performance.now() - started];
  if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode} ${body}`);
  return { ms, bytes: body.length, body };
}

const loads = [];
function load(count, ...more) {
  const args = ['idle', ...more, '--clients', count, '--settle', 1, '--hold', 600];
  const child = spawn(LOADGEN, args.map(String), { env: { ...process.env, TARGET: `127.0.0.1:${server.port}` }, stdio: ['ignore', 'ignore', 'inherit'] });
  loads.push(child);
}
process.on('exit', () => loads.forEach((child) => child.kill('SIGKILL')));
const sockets = Math.round((SESSIONS * 6) / 7);
for (let left = sockets; left > 0; left -= MOST) load(Math.min(left, MOST));
for (let left = SESSIONS - sockets; left > 0; left -= MOST) load(Math.min(left, MOST), '--transport', 'polling');
/** Some may be lost on a busy machine: it is enough that no more come. */
let [total, still] = [0, 0];
while (total < SESSIONS && still < 6) {
  await new Promise((resolve) => setTimeout(resolve, 500));
  const now = JSON.parse((await ask('admin/policy')).body).now.sessions;
  still = now > total ? 0 : still + 1;
  total = Math.max(total, now);
  process.stderr.write(`\r${now} sessions `);
}
process.stderr.write('\r');

const middle = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const shown = (numbers) => [Math.min(...numbers), middle(numbers), Math.max(...numbers)].map((number) => number.toFixed(1).padStart(8)).join('');
console.log(`${total} sessions; milliseconds: least, median, most`);
const oldest = JSON.parse((await ask('admin/sessions?limit=1&text=xhr-polling')).body).sessions[0];
const lists = ['', '?limit=200', '?text=xhr-polling', '?text=not-tried', '?text=nobody+at+all', `?text=${oldest.sid}`, `/${oldest.sid}`].map((rest) => `admin/sessions${rest}`);
for (const path of [...lists, 'admin/events', 'admin/causes', 'admin/policy', 'metrics']) {
  const times = [];
  let size = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { ms, bytes } = await ask(path);
    times.push(ms);
    size = bytes;
  }
  console.log(`${path.replace(oldest.sid, 'SID').padEnd(34)}${shown(times)}${String(size).padStart(9)} bytes`);
}

if (options.page) {
  const { openPage, startBrowser } = await import('../tests/browser/lib/pages.mjs');
  const browser = await startBrowser();
  const page = await openPage(browser, {
    script: () => {
      window.long = [];
      new PerformanceObserver((list) => window.long.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: 'longtask', buffered: true });
    },
  });
  await page.goto(`${place}/admin`);
  await page.fill('#token', TOKEN);
  const timed = async (what, work, done) => {
    const started = performance.now();
    await work();
    await page.waitForFunction(done);
    console.log(`${what.padEnd(28)}${(performance.now() - started).toFixed(0).padStart(8)} ms`);
  };
  await timed('page: the list', () => page.press('#token', 'Enter'), () => document.querySelectorAll('#list tr').length === 50);
  await timed('page: filter', () => page.fill('#text', 'nobody at all'), () => document.querySelectorAll('#list tr').length === 1);
  await timed('page: no filter', () => page.fill('#text', ''), () => document.querySelectorAll('#list tr').length === 50);
  await page.evaluate(() => (window.first = document.querySelector('#list button').dataset.sid));
  await timed('page: the next page', () => page.click('#older'), () => document.querySelector('#list button').dataset.sid !== window.first);
  await timed('page: one session', () => page.click('#list button'), () => document.querySelector('#timeline tr'));
  if (page.errors.length) console.log(page.errors);
  const long = await page.evaluate(() => window.long);
  console.log(`page: tasks over 50 ms      ${long.length}${long.length ? `, the longest ${Math.max(...long)} ms` : ''}`);
  await browser.close();
}
loads.forEach((child) => child.kill('SIGKILL'));
await server.stop('SIGKILL');
process.exit(0);
