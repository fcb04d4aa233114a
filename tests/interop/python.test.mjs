// Published Python clients (python/setup.sh fetches them) in the chat, and how their polls have to be answered.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { login } from './lib/room.mjs';
import { scenario } from './lib/scenario.mjs';

const FOLDER = process.env.PARLANCE_PYTHON ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'parlance-python');
const DRIVER = fileURLToPath(new URL('python/chat.py', import.meta.url));
const TEXT = 'grüße € 한 😀 \u2028';
const TRANSPORTS = ['polling', 'upgrade'];
const ANY = ['octets', 'text'];
const B64 = { params: { b64: '1' } };

/** Which form of polls each of them reads, without and with `b64` in the URL. */
const CLIENTS = [
  { name: 'socketIO-client-0.5.7.4', module: 'socketIO_client', reads: ANY, transports: ['polling', 'websocket'] },
  { name: 'socketIO-client-0.7.2', module: 'socketIO_client', reads: ['octets'] },
  { name: 'socketIO-client-nexus-0.7.6', module: 'socketIO_client_nexus', reads: ['text'] },
  { name: 'socketIO-client-nexus-0.7.6', module: 'socketIO_client_nexus', reads: ANY, options: B64 },
  { name: 'socketIO-client3-0.8.0', module: 'socketIO_client', reads: ['text'] },
  { name: 'socketIO-client3-0.8.0', module: 'socketIO_client', reads: ANY, options: B64 },
  { name: 'python-socketio-4.6.1', module: 'socketio', reads: ANY, transports: ['polling', 'websocket', 'upgrade'] },
  { name: 'python-socketio-5.18.1', module: 'socketio', reads: ANY, transports: ['polling', 'websocket', 'upgrade'] },
];

let people = 0;

/** Runs a client as `person`, and resolves with its exit code and what it wrote. */
function run({ name, module, options = {} }, transport, port, person) {
  const folder = join(FOLDER, name);
  if (!existsSync(folder)) throw new Error(`${folder} is missing: run tests/interop/python/setup.sh`);
  const args = ['-B', DRIVER, module, String(port), transport, JSON.stringify(options), person, TEXT, `${TEXT} ${person}`];
  const child = spawn(join(FOLDER, 'venv/bin/python'), args, { env: { ...process.env, PYTHONPATH: folder } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

/** One client joins, says TEXT, and hears the answer of `peer`. */
async function talk(server, peer, client, transport) {
  const person = `Python ${(people += 1)}`;
  const isIts = ({ username, message }) => username === person && message === TEXT;
  const answered = peer.until('new message', isIts).then(() => peer.emit('new message', `${TEXT} ${person}`));
  answered.catch(() => {}); // it is awaited below, if the client does not fail first
  const { code, output } = await run(client, transport, server.port, person);
  assert.equal(code, 0, `${client.name} by ${transport}: ${output}`);
  await answered;
}

for (const form of ANY) {
  scenario(`Python clients talk where polls are ${form}`, async (scene) => {
    const server = await scene.chat(['--eio3-polls', form]);
    const peer = await scene.client(server.url, { generation: '4.8.4', wire: 'websocket' });
    await login(peer, 'peer');
    const readers = CLIENTS.filter(({ reads }) => reads.includes(form));
    await Promise.all(
      readers.map(async (client) => {
        for (const transport of client.transports ?? TRANSPORTS) await talk(server, peer, client, transport);
      }),
    );
  });
}

scenario('a rule changes the form of polls for some clients alone', async (scene) => {
  const folder = mkdtempSync(join(tmpdir(), 'python-'));
  scene.atEnd(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'transports.toml');
  writeFileSync(path, '[[rules]]\nname = "scripts"\nagents = ["python-requests/*"]\neio3-polls = "text"\n');
  const server = await scene.chat(['--config', path]);
  const peer = await scene.client(server.url, { generation: '4.8.4', wire: 'websocket' });
  await login(peer, 'peer');
  const nexus = CLIENTS.find(({ module }) => module === 'socketIO_client_nexus');
  for (const transport of TRANSPORTS) await talk(server, peer, nexus, transport);
  const open = await fetch(`${server.url}/socket.io/?EIO=3&transport=polling`);
  assert.equal(open.headers.get('content-type'), 'application/octet-stream');
  const old = await scene.client(server.url, { generation: '1.3.7', wire: 'xhr-polling', name: 'old' });
  await login(old);
});
