// The real server with a history in a directory of its own, and what was said before it started.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { locateChat } from '../../interop/lib/server.mjs';
import { startServer } from './pages.mjs';

const EPOCH = 'abcdefgh';

/** `start` of a stage: the real server with a fresh data directory. `rooms` are namespaces with what was said in them. */
export function remembering(args = [], rooms = {}) {
  return async (set) => {
    const dir = mkdtempSync(join(tmpdir(), 'parlance-history-'));
    set.atEnd(() => rmSync(dir, { recursive: true, force: true }));
    if (Object.keys(rooms).length) importHistory(join(dir, 'data'), rooms);
    return startServer('--data-dir', join(dir, 'data'), '--history', '100000', ...args);
  };
}

/** Writes messages `{ name, text, at }` of rooms into a data directory that no server uses. */
export function importHistory(dir, rooms) {
  const lines = [{ parlance_history: 1 }];
  let entries = 0;
  for (const [room, said] of Object.entries(rooms)) {
    lines.push({ room, epoch: EPOCH, top: said.length, floor: 0 });
    said.forEach(({ name, text, at }, i) => lines.push({ seq: i + 1, at, author: `n:${name.toLowerCase()}`, name, kind: 'message', body: text }));
    entries += said.length;
  }
  lines.push({ end: { rooms: Object.keys(rooms).length, entries, records: 0 } });
  execFileSync(locateChat(), ['import', '--data-dir', dir], { input: lines.map((line) => `${JSON.stringify(line)}\n`).join(''), stdio: ['pipe', 'ignore', 'pipe'] });
}

/** So many lines of Bob and Carol, `line 1` and so on, over the last `days`. */
export function talk(count, days = 3) {
  const span = days * 24 * 60 * 60 * 1000;
  return Array.from({ length: count }, (_, i) => ({ name: (i + 1) % 4 ? 'Bob' : 'Carol', text: `line ${i + 1}`, at: Math.floor(Date.now() - span + ((i + 1) * span) / (count + 1)) }));
}

/** The texts of `talk`. */
export const lines = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}`);
