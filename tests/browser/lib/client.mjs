// The client library: as the server gives it to pages, and its sources.

import { readFileSync, readdirSync } from 'node:fs';
import { startChat } from '../../interop/lib/server.mjs';

const folder = new URL('../../../client/', import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), 'utf8');

/** Its files by their names. */
export const sources = new Map(
  readdirSync(folder, { recursive: true })
    .filter((name) => !name.startsWith('modern/'))
    .filter((name) => name.endsWith('.js'))
    .map((name) => [name, read(name)]),
);

/** All files in one, as they are written. */
export function joined(name = 'parlance.js') {
  return sources.get(name).replace(/^ *\/\/= (.*)$/gm, (line, part) => joined(part));
}

/** What pages load. */
export async function served(name = 'parlance.js') {
  const server = await startChat();
  const response = await fetch(`${server.url}/${name}`);
  const script = await response.text();
  await server.stop('SIGKILL');
  return script;
}
