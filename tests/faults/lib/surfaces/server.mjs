// What the server says: its log, and the timelines that an administrator reads.

import { causesIn } from '../judge.mjs';
import { get } from '../raw.mjs';
import { TOKEN } from '../token.mjs';

/** Lines of the log that name a cause. */
export function readLog(stage) {
  const lines = stage.servers.flatMap(({ stderr }) => stderr.split('\n'));
  const named = lines.flatMap((line) => {
    const cause = /\bcause="?([a-z0-9-]+)/.exec(line)?.[1];
    return cause ? [{ cause, certainty: /\bcertainty="?(\w+)/.exec(line)?.[1], text: line }] : [];
  });
  return { named, seen: lines.filter((line) => /session\{|INFO|WARN|ERROR/.test(line)).slice(0, 60) };
}

/** All sessions, those that are over too, each with its timeline. */
export async function readTimelines(stage) {
  const seen = [];
  for (const server of stage.servers) {
    const options = { headers: { Authorization: `Bearer ${TOKEN}` }, patience: 3000 };
    for (const path of ['/admin/sessions', '/admin/ended']) {
      const answer = await get(`${server.url}${path}`, options);
      if (answer.status !== 200) continue;
      const list = JSON.parse(answer.text);
      seen.push(list);
      for (const sid of new Set(answer.text.match(/"sid":"[^"]+"/g)?.map((text) => JSON.parse(`{${text}}`).sid))) {
        const one = await get(`${server.url}/admin/sessions/${sid}`, options);
        if (one.status === 200) seen.push(JSON.parse(one.text));
      }
    }
  }
  return seen.length ? { named: causesIn(seen), seen } : { absent: 'there is no /admin/sessions' };
}
