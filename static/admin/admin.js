// The administrator's page: the token, and which part is shown.

import { ask, Refusal, token } from './api.js';
import * as causes from './causes.js';
import * as cluster from './cluster.js';
import { byId } from './dom.js';
import * as events from './events.js';
import * as policy from './policy.js';
import * as sessions from './sessions.js';

const PARTS = ['sessions', 'events', 'causes', 'policy'];
/** How often a part that is shown is read once more. */
const AGAIN = 5000;

const part = () => (PARTS.includes(location.hash.slice(1)) ? location.hash.slice(1) : 'sessions');

/** Runs what may fail, and shows why it did. */
async function guard(work) {
  try {
    await work();
    byId('problem').hidden = true;
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) return leave('This is not the token.');
    byId('problem').textContent = error instanceof Refusal ? error.message : 'The server does not answer.';
    byId('problem').hidden = false;
  }
}

function load() {
  return {
    sessions: () => guard(sessions.load),
    events: () => events.load(guard),
    causes: () => guard(() => causes.load(find)),
    policy: () => guard(policy.load),
  }[part()]();
}

function find(text) {
  sessions.find(text);
  location.hash = 'sessions';
}

function show() {
  const shown = token.get() ? part() : null;
  for (const name of PARTS) byId(name).hidden = name !== shown;
  for (const link of byId('tabs').children) {
    if (link.hash === `#${shown}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  byId('enter').hidden = shown !== null;
  byId('tabs').hidden = byId('leave').hidden = shown === null;
  if (shown !== 'events') events.stop();
  cluster.load();
  if (shown) load();
  else byId('token').focus();
}

function leave(why = '') {
  token.forget();
  byId('one').close();
  byId('problem').hidden = true;
  byId('wrong').textContent = why;
  show();
}

byId('enter').addEventListener('submit', async (event) => {
  event.preventDefault();
  token.set(byId('token').value.trim());
  byId('token').value = byId('wrong').textContent = '';
  try {
    await ask('policy');
  } catch (error) {
    return leave(error instanceof Refusal && error.status === 401 ? 'This is not the token.' : 'The server does not answer.');
  }
  show();
});
byId('leave').addEventListener('click', () => leave());
addEventListener('hashchange', show);
sessions.start(guard);
events.start(guard);
setInterval(() => {
  if (!document.hidden) cluster.load();
  const isQuiet = document.hidden || byId('one').open || !token.get();
  // What somebody reads, marks or has the keyboard at stays.
  const isRead = !getSelection().isCollapsed || byId('cause-list').matches(':hover, :focus-within');
  const moves = part() === 'sessions' && !sessions.isFirstPage();
  if (!isQuiet && !isRead && !moves) load();
}, AGAIN);
show();
