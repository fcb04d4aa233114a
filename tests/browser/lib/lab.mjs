// The shipped client in a browser that is not there: its own clock, its own network, and a server that is a table.
// Nothing here waits for real time, so minutes of quarantine pass in a moment, and always the same way.

import { createContext, runInContext } from 'node:vm';
import { served } from './client.mjs';

const source = await served();
const SEPARATOR = '\x1e';

export const ALL = ['websocket', 'eventsource', 'htmlfile', 'xhr-polling', 'jsonp-polling'];

/** Time from a request to its answer. */
const LATENCY = 10;

class Clock {
  now = 1_700_000_000_000;
  #tasks = new Map();
  #ids = 0;

  set(fn, ms = 0, every = 0) {
    this.#ids += 1;
    this.#tasks.set(this.#ids, { at: this.now + Math.max(0, ms), order: this.#ids, fn, every });
    return this.#ids;
  }

  clear(id) {
    this.#tasks.delete(id);
  }

  /** Lets that much time pass, and all that is due in it happen. */
  advance(ms) {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.#tasks].filter(([, task]) => task.at <= end).sort(([, a], [, b]) => a.at - b.at || a.order - b.order)[0];
      if (!due) break;
      const [id, task] = due;
      this.now = Math.max(this.now, task.at);
      if (task.every) task.at += task.every;
      else this.#tasks.delete(id);
      task.fn();
    }
    this.now = end;
  }

  /** What a closed lid does: the clock runs, timers do not. */
  sleep(ms) {
    this.now += ms;
    for (const task of this.#tasks.values()) task.at += ms;
  }
}

/** Sessions as an Engine.IO 4 server keeps them, told what to do by the test. */
class Server {
  up = true;
  policy = ALL;
  /** Answers every request instead, if it is set: `(request) => ({ status, body })`, or `null` for silence. */
  instead = null;
  /** `works`, `throws`, `never opens`, `refused`, `dead after 101`, `dead after 5`, `cut after 5`. */
  webSocket = 'works';
  eventSource = 'works';
  maxPayload = 1_000_000;
  upgrades = ['websocket', 'eventsource'];
  /** What came up, as Engine.IO packets, over all sessions. */
  heard = [];
  requests = [];
  sessions = new Map();
  /** Called with each Socket.IO packet of a client; answers CONNECT by default. */
  onPacket = null;

  constructor(clock) {
    this.clock = clock;
  }

  get session() {
    return [...this.sessions.values()].at(-1);
  }

  open(transport) {
    const session = new Session(this, `sid${this.requests.length}-${this.sessions.size}`, transport);
    this.sessions.set(session.sid, session);
    session.push(`0${JSON.stringify({ sid: session.sid, upgrades: this.upgrades, pingInterval: 25000, pingTimeout: 20000, maxPayload: this.maxPayload })}`);
    return session;
  }

  /** Answers an HTTP request by calling `respond(status, body)` or `drop()`, now or later. */
  http(request, respond, drop) {
    const url = new URL(request.url);
    const query = url.searchParams;
    this.requests.push({ method: request.method, url: request.url, query, body: request.body, at: this.clock.now });
    if (!this.up) return drop();
    if (this.instead) {
      const answer = this.instead({ ...request, query });
      if (answer === null) return undefined;
      if (answer) return respond(answer.status, answer.body);
    }
    const sid = query.get('sid');
    const form = query.get('transport') === 'polling' ? (query.has('j') ? 'jsonp-polling' : 'xhr-polling') : query.get('transport');
    if (!this.policy.includes(form)) return respond(400, JSON.stringify({ code: 0, message: 'Transport unknown', allowed: this.policy }));
    const session = sid ? this.sessions.get(sid) : this.open(query.get('transport'));
    if (!session) return respond(400, '{"code":1,"message":"Session ID unknown"}');
    if (request.method === 'POST') {
      if (request.body.length > this.maxPayload) return respond(413, '{"code":3,"message":"too large"}');
      for (const packet of request.body.split(SEPARATOR)) session.take(packet, query.get('transport'));
      return respond(200, 'ok');
    }
    if (session.transport !== 'polling') return respond(400, '{"code":3,"message":"Bad request"}');
    return session.park((packets) => respond(200, packets.join(SEPARATOR)));
  }

  stop() {
    this.up = false;
    for (const session of [...this.sessions.values()]) session.die();
  }
}

class Session {
  queue = [];
  #out = null;
  #candidate = null;
  #releasing = false;

  constructor(server, sid, transport) {
    this.server = server;
    this.sid = sid;
    this.transport = transport;
  }

  push(...packets) {
    this.queue.push(...packets);
    this.flush();
  }

  event(...args) {
    this.push(`42${JSON.stringify(args)}`);
  }

  flush() {
    if (this.#out && this.queue.length) this.#out(this.queue.splice(0), this);
  }

  park(answer) {
    const out = (packets) => {
      this.#out = null;
      answer(packets);
    };
    this.#out = out;
    this.flush();
    if (this.#releasing) this.#release();
  }

  /** Attaches a stream or socket: `write(packet)`, `close()`. */
  attach(transport, line) {
    if (this.transport === transport) {
      this.line = line;
      this.#out = (packets) => packets.forEach((packet) => line.write(packet));
      this.flush();
    } else this.#candidate = { transport, line };
  }

  /** The candidate is gone; all goes on as before. */
  detach(line) {
    if (this.#candidate?.line !== line) return;
    this.#candidate = null;
    this.#releasing = false;
  }

  take(packet, transport) {
    const candidate = this.#candidate;
    if (candidate && candidate.transport === transport) {
      if (packet === '2probe') {
        candidate.line.write('3probe');
        // polls are released until the upgrade is done, a stream only then
        this.#releasing = true;
        this.#release();
      } else if (packet === '5') {
        const former = this.line;
        this.#releasing = false;
        this.#candidate = null;
        this.transport = transport;
        former?.write('6');
        former?.close();
        this.attach(transport, candidate.line);
      }
      return;
    }
    this.server.heard.push(packet);
    if (packet === '1') return this.die();
    if (!String(packet).startsWith('4') || this.server.onPacket?.(packet.slice(1), this) === true) return;
    const connect = /^40(\/[^,]*)?,?/.exec(packet);
    if (connect && connect[1] === '/parlance-echo') this.push('44/parlance-echo,{"message":"Invalid namespace"}');
    else if (connect) this.push(`40${connect[1] ? `${connect[1]},` : ''}{"sid":"s-${this.sid}"}`);
  }

  #release() {
    if (this.#out && this.transport === 'polling') this.#out(['6']);
  }

  /** The connection that carries the session breaks. */
  die(how = {}) {
    this.server.sessions.delete(this.sid);
    if (this.line) this.line.close(how);
    else this.#out?.(['1']);
  }
}

/** A page. `without` names what its browser lacks; `policy` is what the server wrote into the client. */
export class Lab {
  clock = new Clock();
  errors = [];

  constructor({ policy = ALL, without = [], host = 'chat.test', random = 0.5 } = {}) {
    this.server = new Server(this.clock);
    this.server.policy = policy;
    this.root = this.#window(host, random, without);
    createContext(this.root);
    const lab = this;
    runInContext(
      `Date = class extends Date { constructor(...a) { a.length ? super(...a) : super(clockNow()); } static now() { return clockNow(); } }; Math.random = fixedRandom;`,
      this.root,
    );
    for (const name of without) runInContext(`${name} = undefined`, this.root);
    this.listeners = {};
    lab.root.addEventListener = (name, fn) => ((this.listeners[name] ??= []).push(fn));
    runInContext(source.replace(/\/\*transports\*\/.*\/\*end\*\//, JSON.stringify(policy)), this.root);
    this.io = this.root.io;
  }

  advance(ms) {
    this.clock.advance(ms);
    return this;
  }

  /** Lets time pass while the server sends its heartbeats. */
  live(ms) {
    for (let left = ms; left > 0; left -= 20_000) {
      this.server.session?.push('2');
      this.advance(Math.min(20_000, left));
    }
    return this;
  }

  /** Something that the browser tells the page. */
  dispatch(name, event = {}) {
    for (const fn of this.listeners[name] ?? []) fn(event);
  }

  /** A socket with everything it says in `log`. */
  socket(url, options) {
    const socket = this.io(url, options);
    const log = [];
    for (const name of ['connect', 'disconnect', 'connect_error', 'reconnect', 'reconnect_attempt', 'reconnecting', 'reconnect_error', 'reconnect_failed']) {
      socket.on(name, (...args) => log.push([name, ...args]));
    }
    return Object.assign(socket, { log, names: () => log.map(([name]) => name) });
  }

  /** The timeline as short lines. */
  lines(socket, test = () => true) {
    return socket.io.timeline().filter(test).map((entry) => `${entry.transport} ${entry.step} ${entry.outcome}`);
  }

  #window(host, random, without) {
    const { clock, server } = this;
    const lab = this;
    const root = {
      clockNow: () => clock.now,
      fixedRandom: () => random,
      setTimeout: (fn, ms) => clock.set(() => lab.#run(fn), ms),
      setInterval: (fn, ms) => clock.set(() => lab.#run(fn), ms, ms),
      clearTimeout: (id) => clock.clear(id),
      clearInterval: (id) => clock.clear(id),
      location: { protocol: 'http:', host },
      navigator: {},
      atob,
      btoa,
    };
    root.window = root;

    root.XMLHttpRequest = class {
      readyState = 0;
      status = 0;
      responseText = '';
      withCredentials = false;
      #over = false;
      open(method, url) {
        Object.assign(this, { method, url, readyState: 1 });
      }
      setRequestHeader() {}
      send(body) {
        const finish = (status, text) => {
          if (this.#over) return;
          this.#over = true;
          Object.assign(this, { readyState: 4, status, responseText: text });
          this.onreadystatechange?.();
        };
        const later = (status, text) => clock.set(() => lab.#run(() => finish(status, text)), LATENCY / 2);
        clock.set(() => server.http({ method: this.method, url: this.url, body }, (status, text) => later(status, text), () => later(0, '')), LATENCY / 2);
      }
      abort() {
        // as browsers do: the handler hears of it
        if (this.#over) return;
        this.#over = true;
        this.readyState = 4;
        this.onreadystatechange?.();
      }
    };

    root.WebSocket = class {
      binaryType = '';
      #gone = false;
      constructor(url) {
        this.url = url;
        server.requests.push({ method: 'WS', url, query: new URL(url).searchParams, at: clock.now });
        if (server.webSocket === 'throws') throw new Error('no WebSocket today');
        if (server.webSocket !== 'never opens') clock.set(() => lab.#run(() => this.#opened()), LATENCY);
      }
      #opened() {
        const query = new URL(this.url).searchParams;
        if (!server.up || server.webSocket === 'refused') return this.#close({ code: 1006, wasClean: false });
        const session = query.get('sid') ? server.sessions.get(query.get('sid')) : server.open('websocket');
        if (!session) return this.#close({ code: 1006, wasClean: false });
        this.session = session;
        this.onopen?.({});
        this.line = { write: (packet) => this.#deliver(packet), close: (how) => clock.set(() => this.#close({ code: 1006, wasClean: false, ...how })) };
        session.attach('websocket', this.line);
      }
      #deliver(packet) {
        if (/^dead/.test(server.webSocket) && (server.webSocket === 'dead after 101' || this.upgraded)) return;
        clock.set(() => lab.#run(() => !this.#gone && this.onmessage?.({ data: packet })), LATENCY / 2);
      }
      #close(event) {
        if (this.#gone) return;
        this.#gone = true;
        this.session?.detach(this.line);
        lab.#run(() => this.onclose?.(event));
      }
      send(packet) {
        clock.set(() => {
          if (packet === '5') this.upgraded = true;
          if (server.webSocket === 'dead after 101') return;
          if (packet === '5' && server.webSocket === 'cut after 5') return this.#close({ code: 1006, wasClean: false });
          this.session.take(packet, 'websocket');
        }, LATENCY / 2);
      }
      close() {
        // what was sent before still goes out
        clock.set(() => this.session?.detach(this.line), LATENCY / 2);
        this.#gone = true;
      }
    };

    root.EventSource = class {
      #gone = false;
      constructor(url) {
        this.url = url;
        server.requests.push({ method: 'ES', url, query: new URL(url).searchParams, at: clock.now });
        clock.set(() => lab.#run(() => this.#opened()), LATENCY);
      }
      #opened() {
        if (this.#gone) return;
        if (!server.up || server.eventSource === 'refused') return this.onerror?.({});
        if (server.eventSource === 'held back') return;
        const query = new URL(this.url).searchParams;
        const session = query.get('sid') ? server.sessions.get(query.get('sid')) : server.open('eventsource');
        if (!session) return this.onerror?.({});
        this.onopen?.({});
        session.attach('eventsource', { write: (packet) => clock.set(() => lab.#run(() => !this.#gone && this.onmessage?.({ data: JSON.stringify(packet) })), LATENCY), close: () => {} });
      }
      close() {
        this.#gone = true;
      }
    };

    for (const name of without) delete root[name];
    return root;
  }

  #run(fn) {
    try {
      fn();
    } catch (error) {
      this.errors.push(error);
    }
  }
}
