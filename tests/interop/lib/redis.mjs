// A real Redis.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.mjs';

/**
 * Starts a Redis that keeps nothing: `{ url, port, stop, pause, resume }`. With `tls`, the files `{ cert, key, ca }`, it speaks
 * TLS alone, and with `password` it wants that.
 */
export async function startRedis({ tls, password } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'parlance-redis-'));
  const ports = (port) => (tls ? ['--port', '0', '--tls-port', String(port), '--tls-cert-file', tls.cert, '--tls-key-file', tls.key, '--tls-ca-cert-file', tls.ca, '--tls-auth-clients', 'no'] : ['--port', String(port)]);
  const args = (port) => [...ports(port), ...(password ? ['--requirepass', password] : []), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  let child;
  let port;
  const kill = () => child.kill('SIGKILL');
  process.on('exit', kill);
  for (let tries = 3, isReady = false; !isReady; tries -= 1) {
    port = await freePort();
    child = spawn('redis-server', args(port), { stdio: ['ignore', 'pipe', 'inherit'] });
    isReady = await new Promise((resolve, reject) => {
      let said = '';
      child.once('error', () => reject(new Error('no redis-server: make setup installs it')));
      // Somebody else chose the same a moment before.
      child.once('exit', () => (tries > 1 && /in use/.test(said) ? resolve(false) : reject(new Error(`redis-server has ended: ${said}`))));
      child.stdout.setEncoding('utf8').on('data', (text) => (said += text).includes('Ready to accept') && resolve(true));
    });
  }
  const stop = async () => {
    process.off('exit', kill);
    kill();
    await once(child, 'exit');
    rmSync(folder, { recursive: true, force: true });
  };
  // it accepts connections, and answers nothing
  const [pause, resume] = ['SIGSTOP', 'SIGCONT'].map((signal) => () => void child.kill(signal));
  return { url: `${tls ? 'rediss' : 'redis'}://${password ? `:${password}@` : ''}127.0.0.1:${port}`, port, stop, pause, resume };
}
