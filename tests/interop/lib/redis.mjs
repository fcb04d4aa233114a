// A real Redis.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A port that nobody has at this moment. */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a Redis that keeps nothing: `{ url, port, stop, pause, resume }`. */
export async function startRedis() {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'parlance-redis-'));
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const kill = () => child.kill('SIGKILL');
  process.on('exit', kill);
  await new Promise((resolve, reject) => {
    child.once('error', () => reject(new Error('no redis-server: make setup installs it')));
    child.stdout.setEncoding('utf8').on('data', (text) => text.includes('Ready to accept') && resolve());
  });
  const stop = async () => {
    process.off('exit', kill);
    kill();
    await once(child, 'exit');
    rmSync(folder, { recursive: true, force: true });
  };
  // it accepts connections, and answers nothing
  const [pause, resume] = ['SIGSTOP', 'SIGCONT'].map((signal) => () => void child.kill(signal));
  return { url: `redis://127.0.0.1:${port}`, port, stop, pause, resume };
}
