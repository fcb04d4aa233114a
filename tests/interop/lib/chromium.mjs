// Which Chromium the tests start.

import { existsSync } from 'node:fs';
import { join } from 'node:path';

const WHOLE = ['chromium', 'chromium-browser', 'google-chrome'];

/**
 * The path of a Chromium: that of CHROMIUM_BIN, or one on the PATH. First the headless shell, which is the same engine without
 * windows: a page costs it a third of the processor. `whole` does without it, for what it does not have.
 */
export function findChromium({ whole = false } = {}) {
  const named = process.env.CHROMIUM_BIN ?? process.env.CHROMIUM;
  const names = whole ? WHOLE : ['chromium-headless-shell', ...WHOLE];
  const found = named ? [named] : names.flatMap((name) => process.env.PATH.split(':').map((folder) => join(folder, name)));
  const path = found.find(existsSync);
  if (!path) throw new Error(`no Chromium: looked for ${named ?? `${names.join(', ')} on PATH`}; install it, or point CHROMIUM_BIN to it`);
  return path;
}
