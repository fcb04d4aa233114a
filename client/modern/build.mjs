// Bundles the modern client: node build.mjs [folder], by default dist/, which is committed so that cargo needs no Node.
// The tests build it again and compare.

import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';

// esbuild is a tool of the tests.
const { build } = createRequire(new URL('../../tests/browser/package.json', import.meta.url))('esbuild');

const here = fileURLToPath(new URL('.', import.meta.url));
const folder = process.argv[2] ?? `${here}dist`;
mkdirSync(folder, { recursive: true });
const banner = { js: '/*! Parlance client: Engine.IO 4, Socket.IO 5. MIT licence. */' };

/** What the first browsers with modules have. */
const target = 'es2017';
const forPages = { minify: true, sourcemap: true, sourcesContent: true, target };
const forNode = { platform: 'node', target: 'node18' };

const bundles = [
  { in: 'index.js', out: 'socket.io.esm.min.js', format: 'esm', ...forPages },
  { in: 'script.js', out: 'socket.io.min.js', format: 'iife', ...forPages },
  { in: 'script-msgpack.js', out: 'socket.io.msgpack.min.js', format: 'iife', ...forPages },
  { in: 'node/index.js', out: 'socket.io.node.mjs', format: 'esm', ...forNode },
  { in: 'node/index.js', out: 'socket.io.node.cjs', format: 'cjs', ...forNode, define: { 'import.meta.url': '__filename' } },
];

for (const { in: entry, out, ...options } of bundles) {
  // Paths in the source maps are as in dist/, wherever the files go.
  const { outputFiles } = await build({ absWorkingDir: here, entryPoints: [`src/${entry}`], outfile: `dist/${out}`, write: false, bundle: true, charset: 'utf8', legalComments: 'none', logLevel: 'warning', logOverride: { 'commonjs-variable-in-esm': 'silent' }, banner, ...options });
  for (const { path, contents } of outputFiles) writeFileSync(join(folder, basename(path)), contents);
}
