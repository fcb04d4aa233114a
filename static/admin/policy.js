// The policy in force, what it refuses, and circuit breakers.

import { ask } from './api.js';
import { byId, el, size } from './dom.js';

/** Parts of the status that are no settings. */
const OTHERS = ['administrator', 'file', 'now', 'log', 'cluster', 'breakers', 'refused'];

const text = (value) => (typeof value === 'string' ? value : Array.isArray(value) ? value.map(text).join(', ') || 'none' : JSON.stringify(value));
const table = (heads, rows) => el('table', { class: heads.length > 2 ? 'data wide' : 'data' }, el('thead', {}, el('tr', {}, ...heads.map((name) => el('th', { scope: 'col' }, name)))), el('tbody', {}, ...rows));
const row = (name, ...cells) => el('tr', {}, el('th', { scope: 'row' }, name), ...cells.map((cell) => el('td', {}, cell)));

function breaker({ network, generation, agent, state, left, clients, silent, dropped, since }) {
  const until = left ? `${state}, the next test in ${left}` : state;
  return row(network, el('span', { class: 'tag failed' }, until), `${generation}, ${agent}`, `${clients} clients failed: ${silent} silent, ${dropped} dropped; the first ${since} ago`);
}

export async function load() {
  const status = await ask('policy');
  const { administrator, file, now, log, cluster, breakers, refused } = status;
  const numbers = [
    ['sessions', now.sessions],
    ['WebSockets', now.websockets],
    ['breakers that are not closed', now.breakers],
    ['held for clients', size(now['queue-bytes'])],
  ];
  if (cluster) numbers.push(['other nodes', cluster.nodes], ['people on them', cluster.people], ['messages lost between nodes', cluster.lost]);
  const refusals = Object.entries(refused).filter(([, count]) => count);
  const settings = Object.entries(status).filter(([key]) => !OTHERS.includes(key));
  byId('policy-parts').replaceChildren(
    el('dl', { class: 'numbers' }, ...numbers.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, String(value))))),
    file.problem ? el('p', { class: 'banner bad' }, `${file.path} is not in force: ${file.problem}`) : '',
    log?.problem ? el('p', { class: 'banner bad' }, `No log files: ${log.problem}`) : '',
    el('h2', {}, 'Refused since the start'),
    refusals.length ? table(['By', 'How often'], refusals.map(([label, count]) => row(label, String(count)))) : el('p', { class: 'quiet' }, 'Nothing'),
    el('h2', {}, 'Circuit breakers'),
    breakers.length ? table(['Network', 'State', 'Clients', 'Why'], breakers.map(breaker)) : el('p', { class: 'quiet' }, 'All are closed'),
    el('h2', {}, 'Settings in force'),
    table(['Key', 'Value'], settings.map(([key, value]) => row(key, el('span', {}, text(value), ' ', key in administrator ? el('span', { class: 'tag use' }, 'set by an administrator') : '')))),
  );
}
