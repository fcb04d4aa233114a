// What happens to sessions, as it happens.

import { ask, Refusal } from './api.js';
import { byId, el, time } from './dom.js';
import { open } from './sessions.js';

/** Rows that are kept. */
const MOST = 500;

let paused = false;
let watching = null;

function row({ at, event, text, sid, address }, guard) {
  return el(
    'tr',
    { 'data-text': `${event} ${text} ${sid ?? ''} ${address ?? ''}`.toLowerCase() },
    el('td', { class: 'mono' }, time(at)),
    el('th', { scope: 'row' }, event),
    el('td', {}, text),
    el('td', {}, sid ? el('button', { type: 'button', class: 'link', onclick: () => guard(() => open(sid)) }, address ?? sid) : ''),
  );
}

function filter() {
  const text = byId('events-text').value.trim().toLowerCase();
  for (const row of byId('tail').rows) row.hidden = !row.dataset.text.includes(text);
}

/** Watches until `signal` says no more. */
async function watch(signal, guard) {
  const state = byId('events-state');
  let after = null;
  while (!signal.aborted) {
    try {
      const answer = await ask('events', { query: { after }, signal });
      if (after === null) byId('tail').replaceChildren();
      after = answer.next;
      if (answer.lost) byId('tail').prepend(el('tr', { 'data-text': '' }, el('td', { colspan: 4, class: 'quiet' }, `${answer.lost} events more than could be shown`)));
      byId('tail').prepend(...answer.events.reverse().map((event) => row(event, guard)));
      while (byId('tail').rows.length > MOST) byId('tail').deleteRow(-1);
      filter();
      state.textContent = 'live';
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refusal && error.status === 401) throw error;
      state.textContent = `not live: ${error.message}`;
      await new Promise((resolve) => setTimeout(resolve, 3000));
    }
  }
}

export function load(guard) {
  if (watching || paused) return;
  watching = new AbortController();
  const { signal } = watching;
  guard(() => watch(signal, guard));
}

export function stop() {
  watching?.abort();
  watching = null;
}

export function start(guard) {
  byId('events-text').addEventListener('input', filter);
  byId('watch').addEventListener('submit', (event) => event.preventDefault());
  byId('pause').addEventListener('click', () => {
    paused = !paused;
    byId('pause').setAttribute('aria-pressed', String(paused));
    byId('pause').textContent = paused ? 'Go on' : 'Pause';
    if (paused) {
      stop();
      byId('events-state').textContent = 'paused';
    } else load(guard);
  });
}
