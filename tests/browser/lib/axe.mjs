// What axe finds in a page.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Fails if there is anything; `state` says what the page shows. */
export async function isClean(page, state) {
  // by the way of a debugger: the page's own policy lets no foreign script in
  if (await page.evaluate('typeof axe') === 'undefined') await page.evaluate(`${axe};0`);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
  assert.deepEqual(
    violations.map((violation) => ({ state, rule: violation.id, help: violation.help, nodes: violation.nodes.map((node) => `${node.target} ${node.any[0]?.message ?? ''}`) })),
    [],
  );
}
