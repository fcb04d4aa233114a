// Real proxies in front of a server, and requests through them.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.mjs';

export const PATIENCE = 60_000;

/** Changes one thing in a sample, which has to be there. */
export function changed(text, from, to) {
  assert.ok(text.includes(from), `the sample has '${from}'`);
  return text.replaceAll(from, to);
}

/** Resolves as soon as somebody listens there. */
async function listening(port, child, said) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    assert.equal(child.exitCode, null, `the proxy ended: ${said()}`);
    const socket = net.connect(port, '127.0.0.1');
    const open = await Promise.race([once(socket, 'connect').then(() => true, () => false)]);
    socket.destroy();
    if (open) return;
    assert.ok(Date.now() < end, `the proxy does not listen: ${said()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Starts a proxy in front of `upstream`; it ends with the scene. `configure` writes its configuration into a folder, and
 * returns how to check it and how to run it. It listens by each of `schemes`: `{ http, https }` are its URLs.
 */
export async function startProxy(scene, configure, upstream, schemes = ['http', 'https']) {
  const folder = mkdtempSync(join(tmpdir(), 'parlance-proxy-'));
  scene.atEnd(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'logs'));
  const ports = {};
  for (const scheme of schemes) ports[scheme] = await freePort();
  const { program, check, run } = configure(folder, ports, upstream);
  try {
    execFileSync(program, check, { stdio: 'pipe' });
  } catch (error) {
    if (error.code === 'ENOENT') throw new Error(`${program} is missing: run tests/setup.sh`);
    throw new Error(`${program} does not take its configuration: ${error.stderr}`);
  }
  const child = spawn(program, run, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  scene.atEnd(async () => {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  });
  const log = join(folder, 'error.log');
  const said = () => stderr + (existsSync(log) ? readFileSync(log, 'utf8') : '');
  for (const port of Object.values(ports)) await listening(port, child, said);
  return Object.fromEntries(schemes.map((scheme) => [scheme, `${scheme}://127.0.0.1:${ports[scheme]}`]));
}

/** A request whose answer is read as it comes. */
export async function open(url, options = {}) {
  const { method = 'GET', body, ...rest } = options;
  const request = (url.startsWith('https') ? https : http).request(url, { agent: false, ca: https.globalAgent.options.ca, method, ...rest });
  request.end(body);
  const [response] = await once(request, 'response', { signal: AbortSignal.timeout(PATIENCE) });
  response.setEncoding('utf8');
  return { request, response };
}

export async function fetchText(url, options) {
  const { response } = await open(url, options);
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, text };
}


/** What is written into a folder, as nginx runs it: `locations` within a server, and the upstream `parlance` beside it. */
export function nginx(locations) {
  return (folder, ports, upstream) => {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
    const config = `
      daemon off; pid ${folder}/pid; error_log stderr; events {}
      http {
        access_log off; ${temporary.join(' ')}
        client_body_buffer_size 1m; # the folder may not be one that its workers can write to
        map $http_upgrade $connection_of_upstream { default upgrade; "" ""; }
        upstream parlance { server 127.0.0.1:${upstream}; }
        server {
          listen 127.0.0.1:${ports.http};
          proxy_http_version 1.1;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $connection_of_upstream;
          proxy_set_header Host $http_host;
          ${locations}
        }
      }`;
    writeFileSync(join(folder, 'nginx.conf'), config);
    const args = ['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')];
    return { program: 'nginx', check: [...args, '-t'], run: args };
  };
}

const APACHE_MODULES = ['mpm_event', 'authz_core', 'alias', 'rewrite', 'proxy', 'proxy_http', 'proxy_wstunnel', 'headers', 'env', 'setenvif', 'ssl', 'socache_shmcb'];

/**
 * The same for Apache: `site` is what it does, where `PARLANCE` is the address of the server; or a function of ports and
 * upstream that returns its virtual hosts.
 */
export function apache(site) {
  return (folder, ports, upstream) => {
    const config = [
      `ServerRoot ${folder}\nServerName localhost\nPidFile ${folder}/pid\nDefaultRuntimeDir ${folder}\nErrorLog ${folder}/error.log\nMutex pthread`,
      ...APACHE_MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`),
      `User nobody\nGroup nogroup`,
      ...Object.values(ports).map((port) => `Listen 127.0.0.1:${port}`),
      typeof site === 'function' ? site(ports, upstream) : `ProxyPreserveHost On\n${site.replaceAll('PARLANCE', `127.0.0.1:${upstream}`)}`,
    ];
    writeFileSync(join(folder, 'apache.conf'), `${config.join('\n')}\n`);
    const args = ['-f', join(folder, 'apache.conf')];
    return { program: 'apache2', check: [...args, '-t'], run: [...args, '-DFOREGROUND'] };
  };
}

/** The same for HAProxy: `frontend` and `backend` are lines within these. */
export function haproxy(frontend, backend = '') {
  return (folder, ports, upstream) => {
    const config = [
      'global\n    stats socket ./stats level admin',
      'defaults\n    mode http\n    timeout connect 5s\n    timeout client 75s\n    timeout server 75s',
      `frontend web\n    bind 127.0.0.1:${ports.http}\n    ${frontend}`,
      `backend parlance\n    ${backend}\n    server one 127.0.0.1:${upstream} check inter 100ms`,
    ];
    writeFileSync(join(folder, 'haproxy.cfg'), `${config.join('\n').replace('./stats', join(folder, 'stats'))}\n`);
    const args = ['-f', join(folder, 'haproxy.cfg')];
    return { program: 'haproxy', check: ['-c', ...args], run: ['-db', ...args] };
  };
}
