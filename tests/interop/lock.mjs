// Run by `npm run lock`: writes package-lock.json anew, without the addresses that npm puts into it.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund'], { stdio: 'inherit' });
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
for (const entry of Object.values(lock.packages)) {
  delete entry.funding;
  for (const [name, source] of Object.entries(entry.dependencies ?? {})) {
    if (/:\/\/|^[^@/]+\//.test(source)) entry.dependencies[name] = '*'; // replaced under "overrides" in package.json
  }
}
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
