// What the server says: its log, and the timelines that an administrator reads.

import { existsSync, readFileSync } from 'node:fs';
import { causesIn } from '../judge.mjs';
import { get } from '../raw.mjs';
import { TOKEN } from '../token.mjs';

const CAUSES = new URL('../../../../src/diagnosis/causes.json', import.meta.url);

/** The causes by the label of the refusal that is one, as the table of causes has it. */
function refusals() {
  if (!existsSync(CAUSES)) return new Map();
  const rules = JSON.parse(readFileSync(CAUSES, 'utf8')).flatMap(({ cause, rules }) => rules.map(({ when }) => [cause, when]));
  const alone = rules.filter(([, when]) => Object.keys(when).join() === 'refusal');
  return new Map(alone.flatMap(([cause, { refusal }]) => [refusal].flat().map((label) => [label, cause])));
}

/** Lines of the log that name a cause, or a refusal, which is one. */
export function readLog(stage) {
  const lines = stage.servers.flatMap((server) => {
    const since = stage.since.get(server);
    const ofCrowd = (line) => ((sid) => sid && server.stderr.slice(0, since).includes(sid[1]))(/\bsid=([\w-]{10,})/.exec(line));
    return server.stderr.slice(since).split('\n').filter((line) => !ofCrowd(line));
  });
  const byLabel = refusals();
  const named = lines.flatMap((line) => {
    const cause = field(line, 'cause') ?? byLabel.get(field(line, 'label'));
    return cause ? [{ cause, certainty: field(line, 'certainty') ?? 'certain', text: line }] : [];
  });
  return { named, seen: lines.filter((line) => /session\{|INFO|WARN|ERROR/.test(line)).slice(0, 60) };
}

function field(line, name) {
  return new RegExp(`\\b${name}="?([a-z0-9-]+)`).exec(line)?.[1];
}

/** All sessions, those that are over too, each with its timeline; but not the crowd's. */
export async function readTimelines(stage) {
  const seen = [];
  for (const server of stage.servers) {
    const crowd = server.stderr.slice(0, stage.since.get(server));
    const read = async (path) => {
      const answer = await get(`${server.url}/admin/${path}`, { headers: { Authorization: `Bearer ${TOKEN}` }, patience: 3000 });
      if (answer.status === 404) return undefined;
      return answer.status === 200 ? JSON.parse(answer.text) : {};
    };
    const list = await read('sessions');
    if (!list) return { absent: 'there is no /admin/sessions' };
    seen.push(list);
    const sids = new Set([...server.stderr.matchAll(/sid=([\w-]{10,})/g)].map(([, sid]) => sid));
    for (const sid of sids) if (!crowd.includes(sid)) seen.push(await read(`sessions/${sid}`));
  }
  const ofCrowd = ({ sid }) => sid && stage.servers.some((server) => server.stderr.slice(0, stage.since.get(server)).includes(sid));
  return { named: causesIn(seen, ofCrowd), seen };
}
