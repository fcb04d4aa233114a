// Causes over time, and what they have in common.

import { ask } from './api.js';
import { byId, el, svg, when } from './dom.js';

const MINUTE = 60_000;
/** Minutes of one bar, and of the chart. */
const BAR = 5;
const ALL = 360;
const [WIDTH, HEIGHT] = [720, 140];

function chart({ now, minutes, marks }, of) {
  const end = Math.ceil(now / MINUTE / BAR) * BAR * MINUTE;
  const begin = end - ALL * MINUTE;
  const bars = Array.from({ length: ALL / BAR }, () => ({ all: 0, of: 0 }));
  for (const { at, causes } of minutes) {
    const bar = bars[Math.floor((at - begin) / MINUTE / BAR)];
    if (!bar) continue;
    for (const [name, count] of Object.entries(causes)) {
      bar.all += count;
      if (name === of) bar.of += count;
    }
  }
  const most = Math.max(1, ...bars.map((bar) => bar.all));
  const x = (at) => ((at - begin) / (end - begin)) * WIDTH;
  const width = WIDTH / bars.length;
  const rect = (index, count, name) => svg('rect', { x: index * width + 1, y: HEIGHT - 1 - (count / most) * (HEIGHT - 10), width: width - 2, height: (count / most) * (HEIGHT - 10), class: name }, title(`${when(begin + index * BAR * MINUTE)}: ${count}`));
  const title = (text) => {
    const element = svg('title', {});
    element.textContent = text;
    return element;
  };
  const shown = marks.filter(({ at }) => at > begin);
  const total = bars.reduce((sum, bar) => sum + bar.all, 0);
  return [
    svg(
      'svg',
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `Causes found in the last six hours: ${total}, at most ${most} in five minutes; ${shown.length} changes of the policy` },
      svg('line', { x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5, class: 'base' }),
      ...bars.flatMap((bar, index) => [bar.all ? rect(index, bar.all, 'all') : '', bar.of ? rect(index, bar.of, 'of') : '']).filter(Boolean),
      ...shown.map(({ at, what }) => svg('line', { x1: x(at), x2: x(at), y1: 0, y2: HEIGHT, class: 'mark-line' }, title(`${when(at)}: ${what}`))),
    ),
    el('figcaption', { class: 'ends' }, el('span', {}, when(begin)), el('span', {}, `at most ${most} in five minutes`), el('span', {}, 'now')),
  ];
}

export async function load(find) {
  const answer = await ask('causes');
  const draw = (of) => byId('chart').replaceChildren(...chart(answer, of));
  draw(null);
  const most = (list) => list.map(({ name, count }) => `${name} (${count})`).join(', ');
  const causes = answer.causes.toSorted((a, b) => b.hour - a.hour || b.latest - a.latest).map((cause) =>
    el(
      'div',
      { class: 'found', onmouseenter: () => draw(cause.cause), onmouseleave: () => draw(null), onfocusin: () => draw(cause.cause), onfocusout: () => draw(null) },
      el('h2', {}, el('span', { class: `tag ${cause.where}` }, cause.where ?? 'unknown'), ' ', cause.title ?? 'The cause is not known'),
      el('p', {}, `${cause.hour} in the last hour, ${cause.total} since the server started. `, el('button', { type: 'button', class: 'link', onclick: () => find(cause.cause) }, cause.cause)),
      el('p', { class: cause.after ? 'pattern' : 'quiet' }, `Since ${when(cause.since)}${cause.after ? `, after a change of the policy: ${cause.after.what}` : ''}; the latest at ${when(cause.latest)}`),
      cause.common && el('p', { class: 'pattern' }, cause.common),
      el('p', { class: 'quiet' }, `Networks: ${most(cause.networks)}. Proxies: ${most(cause.proxies)}`),
      cause.remedy && el('p', {}, `Remedy: ${cause.remedy}`),
    ),
  );
  byId('cause-list').replaceChildren(...(causes.length ? causes : [el('p', { class: 'quiet' }, 'Nothing was found since the server started.')]));
}
