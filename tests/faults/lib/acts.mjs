// What happens to a server, or in its room, while a client is connected. Each resolves when it is done, perhaps with how
// to end it.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { ENGINE, upgrade } from './raw.mjs';
import { TOKEN } from './token.mjs';

/** What lasts, so that who comes later meets it, too. */
export const LASTING = ['policy', 'stop', 'pause', 'files'];
/** Of that, what leaves a server that gives its pages. */
export const WITH_PAGES = ['policy'];

/** Less than a client waits for, of all that a server has to say. */
const LONGEST_STOP_MS = 3000;

export const ACTS = {
  /** New settings from the administrator. */
  async policy(server, settings) {
    const answer = await fetch(`${server.url}/admin/policy`, { method: 'POST', headers: { Authorization: `Bearer ${TOKEN}` }, body: settings });
    if (answer.status !== 200) throw new Error(`the policy is refused: ${await answer.text()}`);
  },

  restart: (server, signal) => server.restart(signal),

  stop: async (server, signal) => void (await server.stop(signal)),

  /** Stands still, every thread of it. */
  async pause(server) {
    server.signal('SIGSTOP');
    while (!/^State:\s+T/m.test(readFileSync(`/proc/${server.pid}/status`, 'utf8'))) await new Promise((resolve) => setTimeout(resolve, 5));
  },

  /** The server runs for a part of the time; longer stops where this process came late to the last one. */
  async throttle(server, { runMs, stopMs }) {
    let timer;
    let since = 0;
    const stop = () => {
      const ran = since ? Math.max(performance.now() - since, runMs) : runMs;
      server.signal('SIGSTOP');
      timer = setTimeout(run, Math.min((ran / runMs) * stopMs, LONGEST_STOP_MS));
    };
    const run = () => {
      since = performance.now();
      server.signal('SIGCONT');
      timer = setTimeout(stop, runMs);
    };
    stop();
    return () => clearTimeout(timer);
  },

  /** Somebody says much in the room. */
  async flood(server, { bytes, messages }) {
    const { socket } = await upgrade(`${server.url}${ENGINE}websocket`);
    await socket.frame(0);
    socket.send('40');
    await socket.until(() => socket.frames.some(({ text }) => text.startsWith('40')));
    socket.send('420["add user","flood"]');
    await socket.until(() => socket.frames.some(({ text }) => text.startsWith('430')));
    for (let i = 1; i <= messages; i += 1) {
      socket.send(`42${i}["new message","${'x'.repeat(bytes)}"]`);
      if (i % 10 === 0) await socket.until(() => socket.frames.some(({ text }) => text.startsWith(`43${i}`)));
    }
    // leaves in good form, so that nobody wonders what became of it
    socket.send('1');
    await socket.ended();
  },

  /** The system gives it no more than `limit` open files, beside those that it has. */
  async files(server, limit) {
    execFileSync('prlimit', ['--pid', String(server.pid), `--nofile=${limit}:${limit}`]);
  },
};
