// One fault, done to a chat of three nodes that meet by one adapter; and what became of what was said.

import { startChat } from '../../interop/lib/server.mjs';
import { Person } from './person.mjs';
import { sleep, until } from './redis.mjs';
import { startWire } from './wire.mjs';

const TOKEN = 'a token that the chaos knows';
/** Each says something so often (ms). */
const PERIOD = 50;
/** Before the fault, and after all is well again (ms). */
const CALM = 1500;
/** What is said so shortly (ms) before the cause may already suffer from it: it is on its way, on a busy machine for long. */
const ON_ITS_WAY = 1000;
/** For nodes to be back when the cause is over. */
const BACK = 45_000;

/** `{ said, lost, doubled, disordered, outside, missed, unsent, away, notes }`: what became of it, over all pairs of people. */
export async function run(fault, adapter, form) {
  const closers = [];
  try {
    return await stage(fault, adapter, fault.lasts[form], closers);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** Three nodes with somebody on each, who all know each other: `{ redis, wires, nodes, people }`. */
export async function open(fault, adapter, closers, more = []) {
  const redis = await fault.redis();
  closers.push(() => redis.close());
  const wires = [];
  const nodes = [];
  closers.push(() => Promise.all([...nodes.map((node) => node.stop('SIGKILL')), ...wires.map((wire) => wire.close())]));
  for (let n = 0; n < 3; n++) {
    if (fault.wires) wires.push(await startWire(redis.server.port));
    const args = ['--cluster', redis.url(wires[n]?.port), '--cluster-adapter', adapter, '--metrics-token', TOKEN, ...more];
    const node = await startChat(args);
    nodes.push(node);
    await node.said(/connected to Redis/);
  }
  const others = (at) => [...nodes.slice(at), ...nodes.slice(0, at)];
  const people = ['ann', 'bob', 'cid'].map((name, at) => new Person(name, others(at)));
  closers.push(() => people.forEach((person) => person.close()));
  await until('all are in', () => people.every((person) => person.isThere));
  await until('all nodes know each other', async () => {
    const known = await Promise.all(nodes.map((node) => number(node, 'cluster_people')));
    return known.every((count) => count === 2);
  });
  return { redis, wires, nodes, people };
}

async function stage(fault, adapter, lasts, closers) {
  const { redis, wires, nodes, people } = await open(fault, adapter, closers);
  people.forEach((person) => person.talk(PERIOD));
  const hears = (one, other) => (one.heard.get(other.name) ?? []).length;
  const pairs = people.flatMap((one) => people.filter((other) => other !== one).map((other) => [one, other]));
  await until('all hear all', () => pairs.every(([one, other]) => hears(one, other) > 5));
  await sleep(CALM);

  const marks = nodes.map((node) => node.stderr.length);
  const start = Date.now();
  await fault.does({ redis, wires, nodes, lasts });
  const alive = nodes.filter((_, at) => at !== fault.node);
  // A node that was away says when it is back.
  const told = /Redis is away/;
  await until('nodes are back', async () => {
    const back = fault.away.every((at) => {
      const log = nodes[at].stderr.slice(marks[at]);
      return log.lastIndexOf('connected to Redis') > log.lastIndexOf('Redis is away') && told.test(log);
    });
    return back && (await Promise.all(alive.map((node) => number(node, 'cluster_alone')))).every((alone) => alone === 0);
  }, { patience: BACK });
  await until('all are in again', () => people.every((person) => person.isThere && person.open < 5), { patience: BACK });
  const end = Date.now();
  await sleep(CALM);
  people.forEach((person) => person.hush());
  await until('all is acknowledged', () => people.every((person) => person.open === 0), { patience: BACK });
  const judged = () => {
    const result = { said: 0, lost: 0, doubled: 0, disordered: 0, outside: 0, seconds: (end - start) / 1000, notes: [] };
    result.said = people.reduce((sum, person) => sum + person.said.length, 0);
    for (const [listener, speaker] of pairs) judge(result, listener, speaker, { start, end });
    return result;
  };
  // Where nothing may be lost, it may be silent for two seconds on a busy machine before all has come.
  if (adapter === 'redis-streams' || fault.gentle) await until('all is heard', () => judged().lost === 0).catch(() => {});
  await quiet(() => pairs.map(([one, other]) => hears(one, other)).join());

  const result = judged();
  const sum = async (name) => (await Promise.all(alive.map((node) => number(node, name)))).reduce((a, b) => a + b, 0);
  result.missed = await sum('cluster_missed_total');
  result.unsent = await sum('cluster_lost_total');
  return result;
}

/** What a listener heard of a speaker: each number once, in order? */
function judge(result, listener, speaker, { start, end }) {
  const heard = listener.heard.get(speaker.name) ?? [];
  const times = new Map();
  for (const { n } of heard) times.set(n, (times.get(n) ?? 0) + 1);
  for (const { n, first, acked } of speaker.said) {
    const count = times.get(n) ?? 0;
    result.doubled += Math.max(0, count - 1);
    // Who was not there need not have heard it: that is what a page's history is for.
    if (count > 0 || !listener.wasThere(first - 1, acked + ON_ITS_WAY)) continue;
    result.lost += 1;
    if (first < start - ON_ITS_WAY || first > end) {
      result.outside += 1;
      result.notes.push(`${listener.name} did not hear ${speaker.name}'s ${n}, said ${first - start} ms after the fault began, ${end - first} before its end`);
    }
  }
  for (let at = 1; at < heard.length; at++) {
    if (heard[at].n < heard[at - 1].n) {
      result.disordered += 1;
      result.notes.push(`${listener.name} heard ${speaker.name}'s ${heard[at].n} after ${heard[at - 1].n}`);
    }
  }
}

/** Resolves when a look has given the same for two seconds. */
async function quiet(look) {
  for (let last = look(), same = 0; same < 20; ) {
    await sleep(100);
    const now = look();
    same = now === last ? same + 1 : 0;
    last = now;
  }
}

/** The sum of a metric of a node. */
async function number(node, name) {
  const response = await fetch(`${node.url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  const lines = (await response.text()).split('\n').filter((line) => line.match(new RegExp(`^parlance_${name}[ {]`)));
  if (lines.length === 0) throw new Error(`no metric ${name}`);
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
