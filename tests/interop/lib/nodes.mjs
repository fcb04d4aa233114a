// Nodes of a cluster, and balancers before them by the samples of hosting/nodes/, which send each request to any node.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './ports.mjs';
import { changed } from './proxy.mjs';

const KEY = 'a secret that the nodes of tests share';

const sample = (name) => readFileSync(new URL(`../../../hosting/${name}`, import.meta.url), 'utf8');

/** The flags of each of `count` nodes that know each other. */
export async function nodeFlags(count) {
  const addresses = await Promise.all(Array.from({ length: count }, async () => `127.0.0.1:${await freePort()}`));
  return addresses.map((address) => ['--cluster-key', KEY, '--node-listen', address, '--nodes', addresses.join(',')]);
}

/** Starts two nodes, which end with the scene. */
export async function startNodes(scene, args = []) {
  const flags = await nodeFlags(2);
  return Promise.all(flags.map((own) => scene.chat(['--trusted-proxies', 'loopback', ...own, ...args])));
}

/** Names the node that a session is of. */
export const nodeOf = (sid) => Buffer.from(sid, 'base64url').subarray(8, 11).toString('hex');

/** The block that begins with `head`, to its end or that of the text. */
function block(text, head, end) {
  const start = text.indexOf(`\n${head}`) + 1;
  const stop = text.indexOf(end, start);
  return text.slice(start, stop < 0 ? undefined : stop + end.length);
}

/** In both samples: where the nodes are. */
const moved = (text, [one, two]) => changed(changed(text, '10.0.0.1:3000', `127.0.0.1:${one}`), '10.0.0.2:3000', `127.0.0.1:${two}`);

/** Configurations for `startProxy`, in the clear; `upstream` are the ports of two nodes. */
export const BALANCERS = {
  nginx(folder, ports, upstream) {
    let site = sample('nginx.conf');
    site = changed(site, 'listen 80;', `listen 127.0.0.1:${ports.http};`);
    site = site.replace(/ *(listen 443 ssl|ssl_certificate\S*) .*\n/g, '').replace(/ *listen 443 ssl;.*\n/, '');
    site = changed(site, block(site, 'upstream parlance', '\n}\n'), moved(block(sample('nodes/nginx.conf'), 'upstream parlance', '\n}\n'), upstream));
    writeFileSync(join(folder, 'site.conf'), site);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
    writeFileSync(join(folder, 'nginx.conf'), `daemon off; pid ${folder}/pid; error_log stderr; events {} http { access_log off; ${temporary.join(' ')} include ${folder}/site.conf; }`);
    const args = ['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')];
    return { program: 'nginx', check: [...args, '-t'], run: args };
  },
  haproxy: haproxy('nodes/haproxy.cfg'),
};

/** Sends each client to the node that the cookie `io` names. */
export const BY_COOKIE = haproxy('nodes/haproxy-cookie.cfg');

function haproxy(nodes) {
  return (folder, ports, upstream) => {
    let config = sample('haproxy.cfg');
    config = changed(config, 'bind :80', `bind 127.0.0.1:${ports.http}`);
    config = config.replace(/ *bind :443.*\n/, '');
    // A check that is late on a busy machine is no node that is gone: such a node takes no connection.
    config = changed(config, '    timeout tunnel', '    timeout check 20s\n    timeout tunnel');
    const end = '\n\0';
    config = changed(config, block(config, 'backend parlance', end), moved(block(sample(nodes), 'backend parlance', end), upstream));
    writeFileSync(join(folder, 'haproxy.cfg'), config);
    const args = ['-f', join(folder, 'haproxy.cfg')];
    return { program: 'haproxy', check: ['-c', ...args], run: ['-db', ...args] };
  };
}
