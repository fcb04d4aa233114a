// Whether this server reaches the others of its cluster: above all parts of the page.

import { ask, token } from './api.js';
import { byId, el } from './dom.js';

const ALONE = 'Cluster: alone. Other nodes cannot be reached; the chat goes on here.';

/** Shows it, or takes it away. What is there already stays as it is: screen readers say what changes. */
function draw(isAlone) {
  const status = byId('cluster');
  if (isAlone === (status.firstChild !== null)) return;
  status.replaceChildren(...(isAlone ? [el('p', { class: 'banner' }, ALONE)] : []));
}

/** Asks the server. If it does not answer, the part that is shown says so. */
export async function load() {
  if (!token.get()) return draw(false);
  try {
    const { cluster } = await ask('policy');
    draw(token.get() !== null && cluster?.alone === true);
  } catch {
    draw(false);
  }
}
