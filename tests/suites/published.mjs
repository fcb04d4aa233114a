// The test suites of old socket.io-clients, each with the client that it was written for, against a program of ours:
//   node published.mjs CHECKOUT PROGRAM
// CHECKOUT is a folder with socket.io-client's repository and its tags, which this does not fetch. PROGRAM listens on the
// port in PORT: see examples/socketio_suite.rs. The clients are those of tests/interop.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { forward, here, listening, start } from './stage.mjs';

/** Where the suites expect their server. */
const PORT = '3210';

const PAGE = "globalThis.location = { protocol: 'http:', host: 'localhost:3210', hostname: 'localhost', port: '3210' };";
const BLOBS = 'as a Blob|with Blobs';

/** `page`: what a page has, before the suite starts. `leftOut`: tests that only a browser can pass. */
const SUITES = [
  { version: '2.5.0', page: PAGE, leftOut: BLOBS },
  { version: '1.7.4', page: PAGE, leftOut: BLOBS },
  // It tests connections only where there is a window.
  { version: '1.0.6', page: `${PAGE} globalThis.window = globalThis;`, leftOut: `${BLOBS}|get binary data \\(as an ArrayBuffer\\)` },
];

const [checkout, program] = process.argv.slice(2);
if (!program) throw new Error('usage: node published.mjs CHECKOUT PROGRAM');

// Tests with a timeout of 0 want a server that is slower than that: without a delay the suites of 1.x stop there.
forward(PORT, await listening(resolve(program)), 10);

let failed = false;
for (const { version, page, leftOut } of SUITES) {
  const folder = stage(version);
  writeFileSync(join(folder, 'page.cjs'), page);
  console.log(`socket.io-client ${version}, left out: ${leftOut}`);
  const args = ['--exit', '--reporter', 'dot', '--timeout', '5000', '--require', './page.cjs', '--grep', leftOut, '--invert', 'test/index.js'];
  const mocha = start(process.execPath, [join(here, 'node_modules/mocha/bin/mocha.js'), ...args], { cwd: folder, stdio: 'inherit' });
  const code = await new Promise((ended) => {
    mocha.on('exit', ended);
  });
  failed ||= code !== 0;
}
process.exit(failed ? 1 : 0);

/** The client as a package with its tests, and what both need. */
function stage(version) {
  const top = mkdtempSync(join(tmpdir(), 'suite-'));
  process.on('exit', () => rmSync(top, { recursive: true }));
  const installed = join(here, '../interop/node_modules');
  const folder = join(top, 'suite');
  cpSync(join(installed, `socket.io-client-${version}`), folder, { recursive: true });
  symlinkSync(installed, join(top, 'node_modules'));
  const tests = execFileSync('git', ['-C', resolve(checkout), 'archive', version, 'test'], { maxBuffer: 1 << 26 });
  execFileSync('tar', ['x', '-C', folder], { input: tests });
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  for (const name of ['expect.js', 'has-cors', 'base64-arraybuffer', 'text-blob-builder']) {
    const to = join(folder, 'node_modules', name);
    rmSync(to, { recursive: true, force: true });
    symlinkSync(join(here, 'node_modules', name), to);
  }
  return folder;
}
