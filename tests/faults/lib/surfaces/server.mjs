// What the server says: its log, and the timelines that an administrator reads.

import { causesIn } from '../judge.mjs';
import { get } from '../raw.mjs';
import { TOKEN } from '../token.mjs';

/** Lines of the log that name a cause. */
export function readLog(stage) {
  const lines = stage.servers.flatMap((server) => {
    const since = stage.since.get(server);
    const ofCrowd = (line) => ((sid) => sid && server.stderr.slice(0, since).includes(sid[1]))(/\bsid=([\w-]{10,})/.exec(line));
    return server.stderr.slice(since).split('\n').filter((line) => !ofCrowd(line));
  });
  const named = lines.flatMap((line) => {
    const cause = field(line, 'cause');
    return cause ? [{ cause, certainty: field(line, 'certainty'), text: line }] : [];
  });
  return { named, seen: lines.filter((line) => /session\{|INFO|WARN|ERROR/.test(line)).slice(0, 60) };
}

function field(line, name) {
  return new RegExp(`\\b${name}="?([a-z0-9-]+)`).exec(line)?.[1];
}

/** What an administrator reads at `path`. */
async function read(server, path) {
  const answer = await get(`${server.url}/admin/${path}`, { headers: { Authorization: `Bearer ${TOKEN}` }, patience: 3000 });
  if (answer.status === 404) return undefined;
  return answer.status === 200 ? JSON.parse(answer.text) : {};
}

/** What happened of late; what has no session is told there. */
async function readEvents(server, since) {
  const events = [];
  const { next: last = 0 } = await read(server, 'events');
  for (let after = since; after < last; ) {
    const page = await read(server, `events?after=${after}`);
    if (!page.events) break;
    events.push(...page.events);
    after = page.next;
  }
  return events;
}

/** The number of the latest event. */
export async function latestEvent(server) {
  return (await read(server, 'events'))?.next ?? 0;
}

/** All sessions, those that are over too, each with its timeline, and the events; but not what is the crowd's. */
export async function readTimelines(stage) {
  const seen = [];
  for (const server of stage.servers) {
    const crowd = server.stderr.slice(0, stage.since.get(server));
    let list = await read(server, 'sessions');
    if (list && !list.sessions) {
      // Where all places are taken, an administrator gets one once somebody leaves.
      stage.disperse?.();
      list = await read(server, 'sessions');
    }
    if (!list) return { absent: 'there is no /admin/sessions' };
    seen.push(list);
    const sids = new Set([...server.stderr.matchAll(/sid=([\w-]{10,})/g)].map(([, sid]) => sid));
    for (const sid of sids) if (!crowd.includes(sid)) seen.push(await read(server, `sessions/${sid}`));
    seen.push(await readEvents(server, stage.events.get(server)));
  }
  const ofCrowd = ({ sid }) => sid && stage.servers.some((server) => server.stderr.slice(0, stage.since.get(server)).includes(sid));
  return { named: causesIn(seen, ofCrowd), seen };
}
