// What `parlance diagnose` names where more than one request was needed to find out, at Parlance and at Node's servers.

import assert from 'node:assert/strict';
import http from 'node:http';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { EXPECTATIONS } from './expectations.mjs';
import { FAULTS } from './faults.mjs';
import { judge } from './lib/judge.mjs';
import { startStage } from './lib/stage.mjs';
import { runCommand } from './lib/surfaces/command.mjs';

const require = createRequire(new URL('../interop/package.json', import.meta.url));
const LIMIT = 120_000;

/** Upstreams in Parlance's place. */
const NODE = {
  "Node's 4.x": (server) => new (require('socket.io').Server)(server),
  "Node's 2.x": (server) => require('socket.io-2')(server),
};

/** By server: the fault, and the one cause that is named. */
const NAMED = {
  Parlance: {
    'connection-header-stripped': 'connection-header-dropped',
    'killed-after-20ms': 'cut-after-open',
    'killed-after-5s': 'time-limit',
    'cut-after-silence-5s': 'idle-timeout',
    'black-hole-after-silence': 'fell-silent, idle-timeout',
    'half-open': 'fell-silent',
    'haproxy-server-timeout': 'idle-timeout, transport-not-allowed',
    'slow-6kBps': 'slow-way',
    'two-instances': 'several-servers',
    'scheme-refused': 'scheme-mismatch',
    'max-connections': 'connections-full',
    'jitter-and-loss': '',
  },
  "Node's 4.x": {
    'upgrade-header-dropped': 'upgrade-headers-lost',
    'connection-header-stripped': 'upgrade-headers-lost',
    'upgrade-502': 'proxy-cannot-upgrade',
    'upgrade-reset': 'upgrade-blocked',
    'frames-down-swallowed': 'frames-lost',
    'killed-after-5s': 'time-limit',
    'body-limit-1kB': 'body-limit',
  },
  "Node's 2.x": {
    'upgrade-header-dropped': 'upgrade-headers-lost',
    'upgrade-502': 'proxy-cannot-upgrade',
    'frames-up-swallowed': 'frames-lost',
    'killed-after-5s': 'time-limit',
    'cut-after-silence-5s': 'idle-timeout',
    'body-limit-1kB': 'body-limit',
  },
};

/** The causes that are named, without those that are no claim. */
async function namedOf(name, node) {
  const expectation = EXPECTATIONS[name];
  const server = node && http.createServer();
  const io = node?.(server);
  if (server) await once(server.listen(0, '127.0.0.1'), 'listening');
  const stage = await startStage(FAULTS[name], { upstream: server?.address().port, args: expectation.watch?.server });
  try {
    const { named, seen, absent } = await runCommand(stage, expectation.ask);
    assert.equal(absent, undefined);
    const verdict = judge(expectation, 'diagnose', named);
    return { verdict, seen, causes: [...new Set(named.map(({ cause }) => cause).filter((cause) => cause !== 'unknown'))].sort().join(', ') };
  } finally {
    await stage.close();
    io?.close();
    server?.closeAllConnections();
  }
}

// They wait nearly all of their time. More of them at once would disturb each other: a limit is found by two connections that last equally long.
describe('diagnose names', { concurrency: 4 }, () => {
  for (const [server, faults] of Object.entries(NAMED)) {
    for (const [fault, causes] of Object.entries(faults)) {
      it(`${server}, ${fault}: ${causes || 'nothing'}`, { timeout: LIMIT }, async () => {
        let said = await namedOf(fault, NODE[server]);
        // A busy machine may have lengthened one of the two connections: ask again.
        for (let tries = 2; tries && /time|cut/.test(causes) && said.causes !== causes; tries -= 1) said = await namedOf(fault, NODE[server]);
        assert.equal(said.causes, causes, JSON.stringify(said.seen.checks.filter(({ outcome }) => outcome !== 'ok'), null, 1));
        if (server === 'Parlance') assert.equal(said.verdict, 'right');
      });
    }
  }
});

it('a server of 0.9 speaks no other generation', { timeout: LIMIT }, async () => {
  // what that server says of paths that it does not know
  const server = http.createServer((request, response) => {
    const opens = /^\/socket\.io\/1\/\?/.test(request.url);
    response.writeHead(200).end(opens ? 'Q1gIBqKuw8yQ8gKXAAAA:60:60:xhr-polling' : 'Welcome to socket.io.');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { seen } = await runCommand({ act() {}, arm() {}, url: `http://127.0.0.1:${server.address().port}` }, ['--timeout', '1']);
  server.closeAllConnections();
  server.close();
  const spoken = (group) => seen.checks.filter((check) => check.group === group).map(({ check, outcome }) => `${check} ${outcome}`);
  for (const group of ['EIO=4', 'EIO=3']) assert.deepEqual(spoken(group), ['all off'], JSON.stringify(seen));
});
