// Who is connected, and all about one.

import { ask, Refusal } from './api.js';
import { byId, el, size, span, when } from './dom.js';

/** `before` of the pages that lead to this one. */
let pages = [];
let next = null;
let asked = 0;
/** Runs what may fail, and shows why it did. */
let guard;

const before = () => pages.at(-1) ?? null;

/** Reads the page that is shown once more. */
export async function load() {
  const number = ++asked;
  const ended = byId('ended').checked;
  const answer = await ask('sessions', { query: { text: byId('text').value.trim(), ended, before: before() } });
  // another one was asked for meanwhile
  if (number !== asked) return;
  next = answer.next;
  const focused = document.activeElement.dataset.sid;
  byId('list').replaceChildren(...answer.sessions.map(row));
  // The row that the keyboard was at is another one now.
  if (focused) (byId('list').querySelector(`[data-sid="${CSS.escape(focused)}"]`) ?? byId('text')).focus({ preventScroll: true });
  if (!answer.sessions.length) byId('list').append(el('tr', {}, el('td', { colspan: 7, class: 'quiet' }, 'Nobody')));
  byId('count').textContent = ended ? `${answer.total} ended sessions are remembered` : `${answer.total} open`;
  byId('newer').disabled = !pages.length;
  byId('older').disabled = next === null;
}

/** Shows those with a text. */
export function find(text) {
  byId('text').value = text;
  pages = [];
}

export const isFirstPage = () => !pages.length;

function row(session) {
  const { sid, name, address, generation, transport, verdict, since, ended, reason } = session;
  const queue = session['queue-bytes'];
  const cell = (label, ...children) => el('td', { 'data-label': label }, el('span', {}, ...children));
  const short = (label, text, name = '') => el('td', { 'data-label': label, class: `short ${name}` }, text);
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, el('button', { type: 'button', class: 'link', 'data-sid': sid, onclick: () => guard(() => open(sid)) }, name ?? sid)),
    short('Address', address ?? 'unknown'),
    short('Client', generation),
    short('Transport', transport),
    verdict ? cell('Why', el('span', { class: `tag ${verdict.where}` }, verdict.cause), ' ', verdict.title) : reason ? cell('Why', reason) : el('td'),
    short('Since', ended ? `${when(since)}, for ${span(ended - since)}` : `${when(since)} (${span(Date.now() - since)})`),
    queue === undefined ? el('td') : short('Queue', size(queue), queue ? 'num' : 'num nothing'),
  );
}

/** Opens the dialog about one session. */
export async function open(sid) {
  const dialog = byId('one');
  let session;
  try {
    session = await ask(`sessions/${encodeURIComponent(sid)}`);
  } catch (error) {
    if (!(error instanceof Refusal) || error.name !== 'session') throw error;
    dialog.replaceChildren(head(sid), el('p', {}, 'This session ended too long ago: nothing is known of it any more.'));
    if (!dialog.open) dialog.showModal();
    return;
  }
  const { verdict } = session;
  const facts = [
    ['Session', el('span', { class: 'mono' }, sid)],
    ['Address', session.address ?? 'unknown'],
    ['Network', session.network],
    ['Proxy', session.proxy],
    ['Client', session.generation],
    ['Transport', session.transport],
    ['Since', new Date(session.since).toLocaleString()],
    ['Ended', session.ended && `${new Date(session.ended).toLocaleString()}: ${session.reason}`],
    ['Queue', session['queue-bytes'] === undefined ? null : size(session['queue-bytes'])],
    ['Page', session.origin],
    ['Browser', session.agent],
  ];
  const moment = ({ ms, event, text }) => el('tr', {}, el('td', { class: 'num' }, ms < 10000 ? `${ms} ms` : span(ms)), el('td', {}, event), el('td', {}, text));
  dialog.replaceChildren(
    head(session.name ?? 'Session'),
    el('dl', { class: 'facts' }, ...facts.filter(([, value]) => value).flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)])),
    verdict
      ? el(
          'div',
          { class: 'verdict' },
          el('p', {}, el('strong', {}, verdict.title)),
          el('p', {}, `${verdict.cause}, ${verdict.certainty}, where: ${verdict.where}`),
          verdict.evidence && el('p', {}, `Evidence: ${verdict.evidence}`),
          verdict.remedy && el('p', {}, `Remedy: ${verdict.remedy}`),
        )
      : '',
    el('h2', {}, 'What happened'),
    el('table', { class: 'data' }, el('thead', {}, el('tr', {}, ...['After', 'Event', 'What'].map((name) => el('th', { scope: 'col' }, name)))), el('tbody', { id: 'timeline' }, ...session.timeline.map(moment))),
    session.open ? el('p', { class: 'one-actions' }, el('button', { type: 'button', class: 'danger', id: 'disconnect', onclick: ({ currentTarget }) => guard(() => disconnect(currentTarget, sid)) }, 'Disconnect')) : '',
  );
  if (!dialog.open) dialog.showModal();
}

function head(title) {
  return el('div', { class: 'one-head' }, el('h1', { id: 'one-title' }, title), el('button', { type: 'button', class: 'small', onclick: () => byId('one').close() }, 'Close'));
}

/** The first press asks, the second one does it. */
async function disconnect(button, sid) {
  if (!button.dataset.sure) {
    button.dataset.sure = true;
    button.textContent = 'Really disconnect?';
    return;
  }
  button.disabled = true;
  try {
    await ask(`sessions/${encodeURIComponent(sid)}`, { method: 'DELETE' });
  } catch (error) {
    if (!(error instanceof Refusal) || error.name !== 'session') throw error;
  }
  await Promise.all([open(sid), load()]);
}

/** Listens to the form and the pager. */
export function start(guardOfPage) {
  guard = guardOfPage;
  let waiting;
  const again = () => {
    pages = [];
    clearTimeout(waiting);
    waiting = setTimeout(() => guard(load), 150);
  };
  byId('text').addEventListener('input', again);
  byId('ended').addEventListener('change', again);
  byId('filter').addEventListener('submit', (event) => {
    event.preventDefault();
    again();
  });
  byId('older').addEventListener('click', () => {
    if (next !== null) pages.push(next);
    guard(load);
  });
  byId('newer').addEventListener('click', () => {
    pages.pop();
    guard(load);
  });
}

