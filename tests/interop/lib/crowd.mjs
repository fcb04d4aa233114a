// A process full of clients, to be ended without warning.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Client } from './clients.mjs';
import { joinAll } from './room.mjs';

const self = fileURLToPath(import.meta.url);

/** Starts the process and resolves with it when all of `specs` have joined the chat, where `others` are already. */
export async function startCrowd(scene, url, specs, others) {
  const child = spawn(process.execPath, [self, url, JSON.stringify(specs), others], { stdio: ['ignore', 'pipe', 'inherit'] });
  scene.atEnd(() => child.kill('SIGKILL'));
  const [event] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  if (!String(event).startsWith('joined')) throw new Error(`the crowd ended early: ${event}`);
  return child;
}

if (process.argv[1] === self) {
  const [url, specs, others] = process.argv.slice(2);
  const clients = JSON.parse(specs).map((spec) => Client.open({ url, ...spec }));
  await Promise.all(clients.map((client) => client.connected()));
  await joinAll(clients, Number(others));
  process.stdout.write('joined\n');
}
