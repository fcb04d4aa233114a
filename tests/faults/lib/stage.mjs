// A fault with all it needs: the server, who is there before, and the way to it.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authority } from '../../interop/lib/certificates.mjs';
import { haproxy, nginx, startProxy as startReal } from '../../interop/lib/proxy.mjs';
import { startChat } from '../../interop/lib/server.mjs';
import { ACTS } from './acts.mjs';
import { gather } from './crowd.mjs';
import { startLink } from './link.mjs';
import { startProxy } from './proxy.mjs';
import { latestEvent } from './surfaces/server.mjs';
import { TOKEN } from './token.mjs';

/** `value` with each number under a name in …Ms made `scale` times as large. */
function scaled(value, scale) {
  if (Array.isArray(value) || typeof value !== 'object' || value === null) return value;
  const change = ([key, inner]) => [key, key.endsWith('Ms') && typeof inner === 'number' ? inner * scale : scaled(inner, scale)];
  return Object.fromEntries(Object.entries(value).map(change));
}

/** The longest time in a fault. */
export function longest(fault) {
  const times = [];
  JSON.stringify([fault.way, fault.link], (key, value) => (key.endsWith('Ms') && times.push(value), value));
  return Math.max(0, ...times);
}

/**
 * Sets the stage for `fault`. Times in its way are `scale` times as long. `upstream` is a port in the server's place.
 * `args` are further flags of the server. Until `arm()` the way lets pages through, and requests of the engine wait.
 */
export async function startStage(fault, { scale = 1, upstream, args = [] } = {}) {
  const closers = [];
  const scene = { atEnd: (closer) => closers.unshift(closer) };
  const close = async () => {
    for (const closer of closers.splice(0)) await closer();
  };
  try {
    return await set(fault, { scale, upstream, args }, scene, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function set(fault, { scale, upstream, args }, scene, close) {
  const kept = (thing) => {
    scene.atEnd(() => thing.close());
    return thing;
  };
  const servers = [];
  if (!upstream) {
    const flags = ['--admin-token', TOKEN, ...args, ...(fault.server ?? [])];
    if (fault.settings) flags.push('--config', settingsFile(fault.settings, scene));
    for (let i = 0; i < (fault.instances ?? 1); i += 1) {
      const server = await startChat(flags);
      servers.push(server);
      scene.atEnd(() => server.stop('SIGKILL'));
    }
  }
  let ports = upstream ? [upstream] : servers.map(({ port }) => port);

  const real = fault.nginx ? nginx(fault.nginx) : fault.haproxy && haproxy(fault.haproxy.frontend, fault.haproxy.backend);
  if (real) ports = [Number(new URL((await startReal(scene, real, ports[0], ['http'])).http).port)];

  const certificate = fault.tls && makeCertificate(fault.tls, scene);
  const proxy = kept(await startProxy(ports, scaled(fault.way, scale), certificate?.pair));
  const link = fault.link && kept(await startLink(proxy.port, scaled(fault.link, scale)));
  const scheme = certificate ? 'https' : 'http';

  return {
    url: `${scheme}://127.0.0.1:${(link ?? proxy).port}`,
    ca: certificate?.ca,
    servers,
    proxy,
    fault,
    plan: fault.way ?? {},
    link,
    /** What each server had written when it was armed: what comes before is about the crowd. */
    since: new Map(),
    /** And which was its latest event. */
    events: new Map(),
    /** From now on the fault is there: those who are there before have come. `agent` is the browser that they seem to be. */
    async arm(agent) {
      if (fault.crowd) {
        this.disperse = await gather(servers[0].url, fault.crowd, agent);
        scene.atEnd(this.disperse);
      }
      for (const server of servers) {
        this.since.set(server, server.stderr.length);
        this.events.set(server, await latestEvent(server));
      }
      link?.arm();
      proxy.arm();
    },
    /** What happens once the client is connected; of these kinds only, if they are given. */
    async act(names = Object.keys(ACTS)) {
      for (const [name, how] of Object.entries(fault.act ?? {})) {
        if (!names.includes(name)) continue;
        const end = await ACTS[name](servers[0], how);
        if (end) scene.atEnd(end);
      }
    },
    close,
  };
}

function settingsFile(text, scene) {
  const folder = mkdtempSync(join(tmpdir(), 'parlance-faults-'));
  scene.atEnd(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'transports.toml');
  writeFileSync(path, text);
  return path;
}

/** `{ pair, ca }`: what the proxy shows, and what a client trusts. */
function makeCertificate({ unknown, ...how }, scene) {
  const authority = new Authority();
  scene.atEnd(() => authority.remove());
  const { cert, key } = authority.make('proxy', { kind: 'ec', ...how });
  return { pair: { cert: readFileSync(cert), key: readFileSync(key) }, ca: unknown ? undefined : authority.ca };
}
