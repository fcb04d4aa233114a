// What `parlance diagnose` says.

import { execFile } from 'node:child_process';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LASTING } from '../acts.mjs';
import { locateChat } from '../../../interop/lib/server.mjs';
import { causesIn } from '../judge.mjs';

const LIMIT_MS = 300_000;

/** Somebody runs it against the stage's address, with those options. */
export async function runCommand(stage, options = []) {
  await stage.arm('parlance');
  await stage.act(LASTING);
  const folder = mkdtempSync(join(tmpdir(), 'parlance-ca-'));
  const env = { ...process.env };
  if (typeof stage.ca === 'string') {
    writeFileSync(join(folder, 'ca.pem'), stage.ca);
    env.SSL_CERT_FILE = join(folder, 'ca.pem');
  }
  const url = stage.url.replace('https://127.0.0.1', 'https://localhost');
  const { code, stdout, stderr } = await new Promise((resolve) => {
    execFile(locateChat(), ['diagnose', url, '--json', ...options], { env, timeout: LIMIT_MS, maxBuffer: 1 << 24 }, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
  });
  rmSync(folder, { recursive: true });
  try {
    const seen = JSON.parse(stdout);
    return { named: causesIn(seen), seen: { code, ...seen } };
  } catch {
    return { absent: `exit code ${code}: ${stderr.slice(0, 300)}` };
  }
}
