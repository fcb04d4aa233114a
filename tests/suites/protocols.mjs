// Runs the public protocol suites against the examples. README.md says where they come from.
//
// The argument is the folder that holds their checkouts. A suite is copied from there, so that the checkout stays as it
// is, and asks for a port of its own.

import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startExample } from '../interop/lib/server.mjs';

const run = promisify(execFile);

/** The suites give the server 200 ms for a heartbeat: on a busy machine a test may need another try. */
const RETRIES = '5';

/** `mend`: what a suite does too late for a server that sends the open packet together with the 101: [text, instead]. */
const SUITES = [
  { name: 'Engine.IO protocol 4', folder: 'engine.io-protocol', example: 'engineio_echo', env: { EIO: '4' } },
  { name: 'Engine.IO protocol 3', folder: 'engine.io-protocol-v3', example: 'engineio_echo', env: { EIO: '3' }, mend: [/await waitFor\(socket, "open"\);\s+(await waitFor\(socket, "message"\); \/\/ handshake)/, '$1'] },
  { name: 'Socket.IO protocol 5', folder: 'socket.io-protocol', example: 'socketio_echo', env: { EIO: '4' } },
];

const checkouts = process.argv[2];
if (!checkouts) throw new Error('which folder has the checkouts? make protocol-suites SUITES_DIR=…');

let failed = false;
let ran = 0;
for (const { name, folder, example, env, mend = ['', ''] } of SUITES) {
  const from = join(checkouts, folder, 'test-suite');
  if (!existsSync(from)) {
    console.log(`${name}: not run, there is no ${from}`);
    continue;
  }
  const to = mkdtempSync(join(tmpdir(), 'suite-'));
  const server = await startExample(example, env);
  try {
    cpSync(from, to, { recursive: true });
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: to });
    const file = join(to, 'test-suite.js');
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('http://localhost:3000', server.url).replace(...mend));
    const report = await run('npx', ['mocha', '--exit', '--retries', RETRIES, '--reporter', 'json', 'test-suite.js'], { cwd: to, maxBuffer: 1 << 26 }).catch((error) => error);
    const { stats, failures } = JSON.parse(report.stdout.slice(report.stdout.indexOf('{\n')));
    console.log(`${name}: ${stats.passes} passed, ${stats.failures} failed`);
    for (const { fullTitle, err } of failures) console.log(`  ${fullTitle}: ${err.message}`);
    failed ||= stats.failures > 0;
    ran += 1;
  } finally {
    await server.stop('SIGKILL');
    rmSync(to, { recursive: true });
  }
}
if (!ran) throw new Error(`${checkouts} has none of the suites: tests/suites/README.md says where they come from`);
process.exit(failed ? 1 : 0);
