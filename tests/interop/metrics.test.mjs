// The metrics as a real Prometheus reads them, while real clients talk: every query of hosting/grafana.json has data,
// and every expression of hosting/alerts.yml can be evaluated.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { everyKind } from './lib/clients.mjs';
import { PATIENCE } from './lib/log.mjs';
import { freePort } from './lib/ports.mjs';
import { exchangeNumbers, joinAll } from './lib/room.mjs';
import { scenario } from './lib/scenario.mjs';

const TOKEN = 'read the metrics, no more';
/** Of refusals there are none here, and no certificate: docs/metrics.md has both. */
const UNSEEN = ['parlance_session_refusals_total', 'parlance_certificate_expiry_seconds'];
const hosting = (name) => fileURLToPath(new URL(`../../hosting/${name}`, import.meta.url));

/** Asks until `found` is true of the answer; says what was last seen if that takes too long. */
async function eventually(what, ask, found, patience = PATIENCE) {
  const end = Date.now() + patience;
  let last;
  while (Date.now() < end) {
    last = await ask().catch((error) => error);
    if (!(last instanceof Error) && found(last)) return last;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what}: ${last instanceof Error ? last.stack : JSON.stringify(last)}`);
}

/** Starts Prometheus, which reads the server once a second; returns what asks its API. */
async function startPrometheus(scene, server) {
  const folder = mkdtempSync(join(tmpdir(), 'parlance-prometheus-'));
  scene.atEnd(() => rmSync(folder, { recursive: true, force: true }));
  copyFileSync(hosting('alerts.yml'), join(folder, 'alerts.yml'));
  writeFileSync(join(folder, 'token'), TOKEN);
  writeFileSync(join(folder, 'prometheus.yml'), `
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [alerts.yml]
scrape_configs:
  - job_name: parlance
    authorization: { credentials_file: token }
    static_configs: [{ targets: ["127.0.0.1:${server.port}"] }]
`);
  try {
    execFileSync('promtool', ['check', 'config', join(folder, 'prometheus.yml')], { stdio: 'pipe' });
  } catch (error) {
    if (error.code === 'ENOENT') throw new Error('prometheus is missing: run tests/setup.sh');
    throw new Error(`Prometheus does not take the rules: ${error.stdout}${error.stderr}`);
  }
  const port = await freePort();
  const child = spawn('prometheus', [
    `--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`,
  ], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  scene.atEnd(async () => {
    if (child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  });
  return async (path, query) => {
    if (child.exitCode !== null) throw new Error(`Prometheus ended:\n${stderr.slice(-2000)}`);
    const url = `http://127.0.0.1:${port}/api/v1/${path}?${new URLSearchParams(query)}`;
    const { status, error, data } = await (await fetch(url)).json();
    if (status !== 'success') throw new Error(`${query?.query}: ${error}`);
    return data;
  };
}

/** What Grafana makes of a query. */
const expand = (expr) => expr.replaceAll('$__rate_interval', '30s').replaceAll('$job', 'parlance');

scenario('every panel of the dashboard has data, and every alert can be evaluated', async (scene) => {
  const flags = ['--metrics-token', TOKEN, '--ping-interval', '1s', '--max-websockets', '8'];
  const server = await scene.chat(flags, { messageRate: '50' });
  const ask = await startPrometheus(scene, server);
  // Before the load, so that rates see what it adds.
  const up = (data) => data.result[0]?.value[1] === '1';
  await eventually('Prometheus reads the server', () => ask('query', { query: 'up{job="parlance"}' }), up);
  const health = await ask('targets');
  assert.equal(health.activeTargets[0].lastError, '');

  const panels = JSON.parse(readFileSync(hosting('grafana.json'), 'utf8')).panels.filter((panel) => panel.type !== 'row');
  const queries = panels.flatMap((panel) => panel.targets.map(({ expr }) => [panel.title, expand(expr)]));
  assert.ok(queries.length > 25, `${queries.length}`);
  // In rounds: clients come, talk and go, some on WebSocket, some on polls, some from polls to WebSocket.
  let talking = true;
  const rounds = (async () => {
    while (talking) {
      const kinds = everyKind(['1.7.4', '4.8.4']);
      const upgrading = ['2.5.0', '4.8.4'].map((generation) => ({ generation, wire: 'upgrade', name: `${generation} upgrade` }));
      const clients = await scene.clients(server.url, [...kinds, ...upgrading]);
      await joinAll(clients);
      await exchangeNumbers(clients, 5);
      // Long enough for a heartbeat.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      for (const client of clients) await client.disconnect();
      await eventually('no session', () => values(server, 'parlance_sessions'), gone);
    }
  })();
  try {
    const lacking = new Map(queries.map(([title, query]) => [query, title]));
    await eventually('panels without data', async () => {
      for (const query of [...lacking.keys()]) {
        const { result } = await ask('query', { query });
        if (result.length && result.every(({ value }) => value[1] !== 'NaN')) lacking.delete(query);
      }
      return [...lacking];
    }, (rest) => rest.length === 0, 90_000);
  } finally {
    talking = false;
    await rounds;
  }

  const { groups } = await ask('rules');
  const rules = groups.flatMap((group) => group.rules);
  const names = readFileSync(hosting('alerts.yml'), 'utf8').match(/(?<=- alert: )\w+/g);
  assert.deepEqual(rules.map((rule) => rule.name), names);
  for (const rule of rules) {
    const evaluated = () => ask('rules').then((data) => data.groups.flatMap((group) => group.rules).find(({ name }) => name === rule.name));
    const { health, lastError } = await eventually(rule.name, evaluated, ({ health }) => health !== 'unknown');
    assert.equal(health, 'ok', `${rule.name}: ${lastError}`);
  }
  // A metric that an alert misspells is no error of Prometheus: there is just never an alarm.
  const known = new Set(await ask('label/__name__/values'));
  for (const name of rules.flatMap((rule) => rule.query.match(/\b(parlance|process)_\w+/g) ?? [])) {
    assert.ok(known.has(name) || UNSEEN.includes(name), `${name} is in an alert, and nowhere else`);
  }
});

scenario('the metrics are for who knows a secret', async (scene) => {
  const read = (server, headers) => fetch(`${server.url}/metrics`, { headers });
  const open = await scene.chat([]);
  assert.equal((await read(open, {})).status, 404);
  const server = await scene.chat(['--metrics-token', TOKEN, '--admin-token', 'the secret of the administrator']);
  for (const [token, status] of [[TOKEN, 200], ['the secret of the administrator', 200], ['another one, just as long', 401], ['', 401]]) {
    assert.equal((await read(server, { authorization: `Bearer ${token}` })).status, status, token);
  }
  const admin = await fetch(`${server.url}/admin/policy`, { headers: { authorization: `Bearer ${TOKEN}` } });
  assert.equal(admin.status, 401, 'it reads the metrics, no more');
  const answer = await read(server, { authorization: `Bearer ${TOKEN}`, accept: 'application/openmetrics-text' });
  assert.match(answer.headers.get('content-type'), /^application\/openmetrics-text; version=1\.0\.0/);
  assert.match(await answer.text(), /\n# EOF\n$/);
});

/** The values of one metric: `{ 'label="value",…': number }`. */
async function values(server, name) {
  const answer = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  const lines = (await answer.text()).matchAll(new RegExp(`^${name}(?:{(.*)})? (.*)$`, 'gm'));
  return Object.fromEntries([...lines].map(([, labels = '', number]) => [labels, Number(number)]));
}

const gone = (all) => Object.values(all).every((number) => number === 0);

scenario('sessions are counted where they are, whatever way they took, and none is left when all have gone', async (scene) => {
  const server = await scene.chat(['--metrics-token', TOKEN, '--upgrade-timeout', '3s']);
  const proxy = await scene.faultProxy(server, 'dead after 101');
  const clients = await scene.clients(server.url, [
    ...everyKind(['0.9.17', '1.7.4', '4.8.4']),
    { generation: '4.8.4', wire: 'upgrade', name: 'upgraded' },
  ]);
  const stuck = await scene.client(proxy.url, { generation: '4.8.4', wire: 'upgrade', name: 'stuck' });
  await joinAll([...clients, stuck]);
  const upgrades = () => values(server, 'parlance_upgrades_total');
  await eventually('an upgrade', upgrades, (all) => all['from="xhr-polling",to="websocket",result="ok"'] === 1);
  proxy.strike();
  await eventually('a failure', upgrades, (all) => all['from="xhr-polling",to="websocket",result="no-probe"'] === 1);
  const expected = {
    'transport="websocket",generation="0.9"': 1,
    'transport="xhr-polling",generation="0.9"': 1,
    'transport="websocket",generation="3.x-4.x"': 2,
    'transport="xhr-polling",generation="3.x-4.x"': 2,
  };
  const sessions = await values(server, 'parlance_sessions');
  for (const [labels, number] of Object.entries(expected)) assert.equal(sessions[labels], number, `${labels} of ${JSON.stringify(sessions)}`);
  assert.equal(Object.values(sessions).reduce((sum, number) => sum + number), 8, JSON.stringify(sessions));
  for (const client of [...clients, stuck]) await client.disconnect();
  await eventually('no session', () => values(server, 'parlance_sessions'), gone);
  const ends = await values(server, 'parlance_session_ends_total');
  assert.equal(Object.values(ends).reduce((sum, number) => sum + number), 8, JSON.stringify(ends));
});
