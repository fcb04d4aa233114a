// Redis in each form that faults are done to: one server, a pair with a sentinel, a Redis Cluster.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../interop/lib/ports.mjs';

const PATIENCE = 30_000;
const runFile = promisify(execFile);

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves when `check` says yes. */
export async function until(what, check, { patience = PATIENCE, pause = 50 } = {}) {
  for (const end = Date.now() + patience; ; await sleep(pause)) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`in ${patience / 1000} s not: ${what}`);
  }
}

/** A server that can be killed, stopped and started again on its port. */
// One listener for each server that runs, and one for each node.
process.setMaxListeners(200);

class Server {
  #args;
  #child;
  #folder = mkdtempSync(join(tmpdir(), 'parlance-chaos-'));

  static async start(args = [], files = {}) {
    const server = new Server();
    server.port = await freePort();
    server.#args = args;
    for (const [name, text] of Object.entries(files)) writeFileSync(join(server.#folder, name), text);
    await server.go();
    return server;
  }

  async go() {
    const own = this.#args.includes('--sentinel') ? [] : ['--save', ''];
    const args = [...this.#args, '--port', String(this.port), '--bind', '127.0.0.1', ...own];
    this.#child = spawn('redis-server', args, { cwd: this.#folder, stdio: 'ignore' });
    this.#child.once('error', () => {});
    const end = () => this.#child.kill('SIGKILL');
    process.once('exit', end);
    this.#child.once('exit', () => process.off('exit', end));
    // make setup installs it.
    await until('redis-server answers', async () => /PONG|NOAUTH/.test(await this.cli('PING')));
  }

  async kill() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  signal(name) {
    this.#child.kill(name);
  }

  /** Resolves with what redis-cli says to a command. */
  async cli(...command) {
    try {
      return (await runFile('redis-cli', ['-p', String(this.port), ...command], { timeout: 5000 })).stdout.trim();
    } catch {
      return '';
    }
  }

  async close() {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** One server: `keeps` what it was told over a restart, or not. */
export async function startOne({ keeps = false } = {}) {
  const server = await Server.start(keeps ? ['--appendonly', 'yes', '--appendfsync', 'always'] : []);
  return {
    server,
    /** Where it is, for a node that reaches it at that port. */
    url: (port = server.port) => `redis://127.0.0.1:${port}`,
    ports: [server.port],
    close: () => server.close(),
  };
}

/** A server, its replica, and a sentinel that puts the one in the place of the other. */
export async function startPair() {
  const server = await Server.start();
  const replica = await Server.start(['--replicaof', '127.0.0.1', String(server.port)]);
  await until('the replica follows', async () => (await replica.cli('INFO', 'replication')).includes('master_link_status:up'));
  const settings = `sentinel monitor chat 127.0.0.1 ${server.port} 1
sentinel down-after-milliseconds chat 1000
sentinel failover-timeout chat 3000
`;
  const sentinel = await Server.start(['sentinel.conf', '--sentinel'], { 'sentinel.conf': settings });
  await until('the sentinel knows both', async () => (await sentinel.cli('SENTINEL', 'REPLICAS', 'chat')).includes('127.0.0.1'));
  return {
    server,
    replica,
    /** Has the sentinel put the replica in the server's place, and the server in that of the replica. */
    failover: () => sentinel.cli('SENTINEL', 'FAILOVER', 'chat'),
    url: () => `redis+sentinel://127.0.0.1:${sentinel.port}/chat`,
    close: () => Promise.all([sentinel, replica, server].map((it) => it.close())),
  };
}

/** A Redis Cluster of three servers, each with a replica. */
export async function startCluster() {
  const one = async () => {
    const bus = String(await freePort());
    return Server.start(['--cluster-enabled', 'yes', '--cluster-node-timeout', '1500', '--cluster-port', bus]);
  };
  const servers = await Promise.all(Array.from({ length: 6 }, one));
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
  await runFile('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes']);
  const all = async (pattern, ...command) => (await Promise.all(servers.map((server) => server.cli(...command)))).every((said) => pattern.test(said));
  await until('the cluster is made', () => all(/cluster_state:ok/, 'CLUSTER', 'INFO'));
  await until('replicas follow', () => all(/role:master|master_link_status:up/, 'INFO', 'replication'));
  return {
    servers,
    /** The server that has a key. */
    async holder(key) {
      const slot = Number(await servers[0].cli('CLUSTER', 'KEYSLOT', key));
      for (const line of (await servers[0].cli('CLUSTER', 'NODES')).split('\n')) {
        const [, address, flags, , , , , , ...slots] = line.split(' ');
        const has = slots.some((range) => { const [from, to = from] = range.split('-').map(Number); return from <= slot && slot <= to; });
        if (flags.includes('master') && has) return servers.find(({ port }) => address.startsWith(`127.0.0.1:${port}@`));
      }
      return undefined;
    },
    url: () => `redis+cluster://${addresses.join(',')}`,
    close: () => Promise.all(servers.map((it) => it.close())),
  };
}
