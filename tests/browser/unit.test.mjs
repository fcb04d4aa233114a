// The shipped client, unchanged, on a clock and a network of the test's own.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ALL, Lab } from './lib/lab.mjs';

const plain = (value) => structuredClone(value);
const times = (requests, method) => requests.filter((request) => request.method === method).map((request) => request.at);

describe('JSON of its own', () => {
  const lab = new Lab({ without: ['JSON', 'WebSocket', 'EventSource'] });
  const socket = lab.socket();
  lab.advance(100);

  const GOOD = [
    '1', '-0.5e+3', '0', '1E2', '"\\u00e9\\ud83d\\ude00\\n\\"\\\\\\/\\b\\f\\r\\t"', '""', '[]', '{}', '[1,[2,{"a":[]}],null,true,false]', ' [ 1 , 2 ] ',
    '{"a":{"b":{"c":"d"}},"":0,"a b":[{}]}', '"é漢字😀\u2028"', '12345678901234567890', '{"constructor":1,"hasOwnProperty":"x"}',
  ];
  for (const text of GOOD) {
    it(`reads ${text}`, () => {
      let seen;
      socket.once('value', (value) => (seen = [value]));
      lab.server.session.push(`42["value",${text}]`);
      lab.advance(100);
      assert.ok(seen, 'the event came');
      assert.deepEqual(plain(seen[0]), JSON.parse(text));
    });
  }

  const BAD = ['[1,]', '{"a":1,}', '[,1]', '{a:1}', "'x'", '01', '1.', '.5', '+1', '"\\x"', '"\\u12g4"', '"a', '"\u0001"', 'tru', 'nul', 'NaN', '[1 2]', '{"a" 1}', 'alert(1)', '[1]]', '{"a":}', '--1', '1e', ''];
  for (const text of BAD) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      const own = new Lab({ without: ['JSON', 'WebSocket', 'EventSource'] });
      const bad = own.socket();
      own.advance(100);
      let called = false;
      bad.on('value', () => (called = true));
      own.server.session.push(`42["value",${text}]`);
      own.advance(100);
      assert.equal(called, false);
      assert.equal(bad.log.find(([name]) => name === 'disconnect')[1], 'parse error');
    });
  }

  it('cannot be talked into changing prototypes', () => {
    let seen;
    socket.once('value', (value) => (seen = value));
    lab.server.session.push('42["value",{"__proto__":{"polluted":1},"a":2}]');
    lab.advance(100);
    assert.equal(seen.a, 2);
    assert.equal(seen.polluted, undefined);
    assert.equal({}.polluted, undefined);
  });

  it('writes what JSON.parse understands', () => {
    const value = { text: 'é"\\\n\u2028\u0000漢字😀', list: [1, -0.5, 1e21, true, false, null, undefined, NaN, () => 1], nested: { deep: [{}, []] }, skip: undefined, fn() {}, date: new Date(0), keyed: { toJSON: () => 'own' } };
    lab.server.heard.length = 0;
    socket.emit('value', value);
    lab.advance(100);
    const packet = lab.server.heard.find((heard) => heard.startsWith('42'));
    assert.deepEqual(JSON.parse(packet.slice(2)), ['value', JSON.parse(JSON.stringify(value))]);
  });
});

describe('packets', () => {
  it('sends half a surrogate pair as an escape', () => {
    const lab = new Lab();
    const socket = lab.socket();
    lab.advance(200);
    socket.emit('x', 'a\ud800b\udc00c😀');
    lab.advance(100);
    assert.ok(lab.server.heard.includes('42["x","a\\ud800b\\udc00c😀"]'));
  });

  it('acknowledges in both directions, once', () => {
    const lab = new Lab();
    const socket = lab.socket();
    const answers = [];
    lab.server.onPacket = (packet, session) => {
      const ask = /^2(\d+)\["ask"/.exec(packet);
      if (ask) session.push(`43${ask[1]}["yes",2]`, `43${ask[1]}["twice"]`);
    };
    socket.on('question', (what, answer) => {
      answer('A', what);
      answer('B');
    });
    lab.advance(200);
    socket.emit('ask', 1, (...args) => answers.push(args));
    lab.server.session.push('4277["question","q"]');
    lab.advance(100);
    assert.deepEqual(plain(answers), [['yes', 2]]);
    assert.deepEqual(lab.server.heard.filter((packet) => packet.startsWith('43')), ['4377["A","q"]']);
  });

  it('carries binary both ways, as base64 where the transport is text', () => {
    const lab = new Lab({ policy: ['xhr-polling'] });
    const socket = lab.socket();
    let got;
    socket.on('bin', (a, b) => (got = [new Uint8Array(a), b.deep[0]]));
    lab.advance(100);
    const view = new Uint8Array([9, 8, 7, 6]).subarray(1, 3);
    socket.emit('bin', { v: view, w: [view.buffer] }, 'x');
    lab.server.session.push('452-["bin",{"_placeholder":true,"num":1},{"deep":[{"_placeholder":true,"num":0}]}]', 'bAQI=', 'bAwQF');
    lab.advance(100);
    const at = lab.server.heard.findIndex((packet) => packet.startsWith('45'));
    assert.deepEqual(lab.server.heard.slice(at, at + 3), ['452-["bin",{"v":{"_placeholder":true,"num":0},"w":[{"_placeholder":true,"num":1}]},"x"]', 'bCAc=', 'bCQgHBg==']);
    assert.deepEqual([...got[0]], [3, 4, 5]);
    assert.deepEqual([...new Uint8Array(got[1])], [1, 2]);
  });

  it('hands on base64 where there are no typed arrays', () => {
    const lab = new Lab({ policy: ['xhr-polling'], without: ['ArrayBuffer', 'Uint8Array'] });
    const socket = lab.socket();
    let got;
    socket.on('bin', (value) => (got = value));
    lab.advance(100);
    lab.server.session.push('451-["bin",{"_placeholder":true,"num":0}]', 'bAQI=');
    lab.advance(100);
    assert.deepEqual(plain(got), { base64: true, data: 'AQI=' });
  });

  for (const [name, packets] of Object.entries({
    'an unknown packet': ['4x'],
    'an event that is no list': ['42{}'],
    'broken JSON': ['42["a"'],
    'text while an attachment is due': ['451-["a",{"_placeholder":true,"num":0}]', '42["b"]'],
    'an attachment of nothing': ['bAQ=='],
    'a placeholder out of range': ['451-["a",{"_placeholder":true,"num":3}]', 'bAQ=='],
  })) {
    it(`takes ${name} for a broken connection`, () => {
      const lab = new Lab({ policy: ['xhr-polling'] });
      const socket = lab.socket(undefined, { reconnection: false });
      lab.advance(100);
      lab.server.session.push(...packets);
      lab.advance(100);
      assert.equal(socket.log.at(-1)[0], 'disconnect');
      assert.equal(socket.log.at(-1)[1], 'parse error');
      assert.deepEqual(lab.errors, []);
    });
  }

  it('keeps posts below what the server takes, and survives a refusal for size', () => {
    const lab = new Lab({ policy: ['xhr-polling'] });
    lab.server.maxPayload = 200;
    const socket = lab.socket();
    lab.advance(100);
    lab.server.requests.length = 0;
    for (let i = 0; i < 6; i++) socket.emit('x', `é${'y'.repeat(60)}`);
    socket.emit('x', 'z'.repeat(300));
    socket.emit('last');
    lab.advance(500);
    const bodies = lab.server.requests.filter((request) => request.method === 'POST').map((request) => request.body);
    for (const body of bodies) assert.ok(Buffer.byteLength(body) <= 200 || !body.includes('\x1e'), body);
    assert.equal(lab.server.heard.filter((packet) => packet.startsWith('42["x"')).length, 6);
    assert.ok(lab.server.heard.includes('42["last"]'), 'what came after the refused message was sent');
    assert.equal(socket.connected, true);
    assert.ok(lab.lines(socket).includes('xhr-polling send failed'));
  });
});

describe('sockets', () => {
  it('has the interface that pages expect', () => {
    const lab = new Lab();
    const socket = lab.socket();
    assert.equal(lab.io.connect, lab.io);
    assert.equal(lab.io.protocol, 5);
    assert.equal(socket.connected, false);
    assert.equal(socket.disconnected, true);
    lab.advance(200);
    assert.equal(socket.connected, true);
    assert.equal(socket.disconnected, false);
    assert.match(socket.id, /^s-sid/);
    assert.equal(socket.io.engine.transport.name, 'websocket');
    for (const method of ['on', 'once', 'off', 'emit', 'send', 'connect', 'open', 'disconnect', 'close', 'removeListener', 'removeAllListeners', 'listeners']) assert.equal(typeof socket[method], 'function', method);
    for (const method of ['on', 'once', 'off', 'emit', 'connect', 'open', 'close', 'timeline']) assert.equal(typeof socket.io[method], 'function', method);
  });

  it('calls listeners as told, and none of them can stop another', () => {
    const lab = new Lab();
    const socket = lab.socket();
    const seen = [];
    const gone = () => seen.push('gone');
    socket.on('x', () => {
      throw new Error('a listener of the page');
    });
    socket.on('x', (...args) => seen.push(args));
    socket.once('x', () => seen.push('once'));
    socket.on('x', gone).off('x', gone);
    socket.once('y', gone).off('y', gone);
    socket.on('constructor', () => seen.push('odd name'));
    lab.advance(200);
    for (let i = 0; i < 2; i++) lab.server.session.event('x', i);
    lab.server.session.event('y');
    lab.server.session.event('constructor');
    lab.server.session.event('toString');
    lab.advance(100);
    assert.deepEqual(plain(seen), [[0], 'once', [1], 'odd name']);
    assert.deepEqual(lab.errors.map((error) => error.message), ['a listener of the page', 'a listener of the page']);
    assert.equal(socket.connected, true);
  });

  it('shares one connection among namespaces', () => {
    const lab = new Lab();
    const root = lab.socket();
    const other = lab.socket('/other', { auth: { token: 't' } });
    const late = lab.socket('/late', { auth: (done) => done({ a: 1 }), autoConnect: false });
    lab.advance(200);
    assert.equal(lab.server.sessions.size, 1);
    assert.equal(other.io, root.io);
    assert.ok(lab.server.heard.includes('40/other,{"token":"t"}'));
    let got;
    other.on('x', (...args) => (got = args));
    lab.server.session.push('42/other,["x",1]');
    late.connect();
    other.emit('y', () => 0);
    lab.advance(100);
    assert.deepEqual(plain(got), [1]);
    assert.ok(lab.server.heard.includes('42/other,0["y"]'));
    other.disconnect();
    lab.advance(50);
    assert.equal(root.connected, true);
    assert.ok(lab.server.heard.includes('41/other,'));
    root.disconnect();
    lab.advance(50);
    assert.equal(root.log.at(-1)[1], 'io client disconnect');
  });

  it('opens a connection of its own with forceNew, and for a namespace in use', () => {
    const lab = new Lab();
    const sockets = [lab.socket(), lab.socket(undefined, { forceNew: true }), lab.socket()];
    lab.advance(200);
    assert.equal(new Set(sockets.map((socket) => socket.io)).size, 3);
    assert.equal(lab.server.sessions.size, 3);
  });

  it('builds its URLs from the address, the path and the query', () => {
    const lab = new Lab();
    lab.socket('/room?from=url', { path: '/chat/io/', query: { a: 'b c', d: 'é' } });
    lab.advance(100);
    const first = lab.server.requests[0];
    assert.match(first.url, /^http:\/\/chat\.test\/chat\/io\/\?a=b%20c&d=%C3%A9&from=url&EIO=4&transport=polling&client=parlance&t=/);
    assert.ok(lab.server.heard.includes('40/room,'));
    const far = new Lab();
    far.socket('https://elsewhere.test:8443');
    far.advance(100);
    assert.match(far.server.requests[0].url, /^https:\/\/elsewhere\.test:8443\/socket\.io\/\?/);
    assert.match(far.server.requests[1].url, /^(https|wss):/);
  });

  it('keeps what is said before the connection, and says it in order', () => {
    const lab = new Lab();
    const socket = lab.socket();
    for (let i = 0; i < 5; i++) socket.emit('early', i);
    lab.advance(200);
    assert.deepEqual(lab.server.heard.filter((packet) => packet.startsWith('42')), [0, 1, 2, 3, 4].map((i) => `42["early",${i}]`));
  });

  it('is refused by the server with the reason, and does not insist', () => {
    const lab = new Lab();
    lab.server.onPacket = (packet, session) => {
      if (packet !== '0') return false;
      session.push('44{"message":"denied","data":{"code":7}}');
      return true;
    };
    const socket = lab.socket();
    lab.advance(60_000);
    const [, error] = socket.log.find(([name]) => name === 'connect_error');
    assert.equal(error.message, 'denied');
    assert.deepEqual(plain(error.data), { code: 7 });
    assert.equal(lab.server.requests.filter((request) => request.method === 'GET' && !request.query.has('sid')).length, 1);
  });

  it('is sent away by the server, and stays away until told to come back', () => {
    const lab = new Lab();
    const socket = lab.socket();
    lab.advance(200);
    lab.server.session.push('41');
    lab.advance(60_000);
    assert.deepEqual(socket.log.at(-1).slice(0, 2), ['disconnect', 'io server disconnect']);
    socket.connect();
    lab.advance(200);
    assert.equal(socket.connected, true);
  });

  it('gives an acknowledgement with a time-out', () => {
    const lab = new Lab();
    const socket = lab.socket();
    lab.server.onPacket = (packet, session) => {
      if (packet.includes('answered')) session.push(`43${/^2(\d+)/.exec(packet)[1]}["a"]`);
    };
    lab.advance(200);
    const seen = [];
    socket.timeout(1000).emit('answered', (...args) => seen.push(args));
    socket.timeout(1000).emit('lost', (error) => seen.push(error.message));
    lab.advance(2000);
    assert.deepEqual(plain(seen), [[null, 'a'], 'no answer in time']);
  });
});

describe('transports', () => {
  const START = [
    [ALL, 'xhr-polling', 'websocket'],
    [['eventsource', 'xhr-polling'], 'xhr-polling', 'eventsource'],
    [['xhr-polling', 'websocket'], 'xhr-polling', 'xhr-polling'],
    [['websocket'], 'websocket', 'websocket'],
    [['eventsource', 'websocket'], 'eventsource', 'eventsource'],
  ];
  for (const [policy, first, last] of START) {
    it(`with the policy ${policy} starts on ${first} and ends on ${last}`, () => {
      const lab = new Lab({ policy });
      const socket = lab.socket();
      lab.advance(1000);
      assert.equal(socket.connected, true);
      assert.equal(socket.io.timeline().find((entry) => entry.step === 'open' && entry.outcome === 'ok').transport, first);
      assert.equal(socket.io.engine.transport.form, last);
    });
  }

  it('tries what the page names only if the policy allows it, and says so', () => {
    const lab = new Lab({ policy: ['websocket', 'xhr-polling'] });
    const socket = lab.socket(undefined, { transports: ['eventsource', 'polling'] });
    lab.advance(1000);
    assert.equal(socket.io.engine.transport.form, 'xhr-polling');
    assert.ok(lab.lines(socket).includes('eventsource policy refused'));
    assert.equal(lab.server.requests.some((request) => request.method !== 'GET' && request.method !== 'POST'), false);
  });

  it('does not upgrade when told not to', () => {
    const lab = new Lab();
    const socket = lab.socket(undefined, { upgrade: false });
    lab.advance(1000);
    assert.equal(socket.io.engine.transport.name, 'polling');
  });

  it('takes only what the server offers', () => {
    const lab = new Lab();
    lab.server.upgrades = ['eventsource'];
    const socket = lab.socket();
    lab.advance(1000);
    assert.equal(socket.io.engine.transport.form, 'eventsource');
    assert.ok(lab.lines(socket).includes('websocket upgrade refused'));
  });

  for (const fault of ['throws', 'never opens', 'refused', 'dead after 101']) {
    it(`stays connected when WebSocket ${fault}, takes the next best, and tests again at growing intervals`, () => {
      const lab = new Lab();
      lab.server.webSocket = fault;
      const socket = lab.socket();
      lab.advance(20_000);
      assert.deepEqual(socket.names(), ['connect']);
      assert.equal(socket.io.engine.transport.form, 'eventsource');
      lab.live(3_600_000);
      const tests = times(lab.server.requests, 'WS');
      const gaps = tests.slice(1).map((at, i) => Math.floor((at - tests[i]) / 10_000) * 10);
      assert.deepEqual(gaps.slice(0, 7), [30, 60, 120, 300, 600, 600, 600]);
      assert.deepEqual(socket.names(), ['connect'], 'one session all the time');
    });
  }

  it('comes back to WebSocket when it heals, without losing or reordering a message', () => {
    const lab = new Lab();
    lab.server.webSocket = 'refused';
    const socket = lab.socket();
    const seen = [];
    socket.on('n', (n) => seen.push(n));
    lab.advance(1000);
    lab.server.webSocket = 'works';
    let n = 0;
    for (let i = 0; i < 400; i++) {
      lab.server.session.event('n', n++);
      if (i % 50 === 0) socket.emit('up', i);
      lab.advance(97);
    }
    lab.advance(200);
    assert.equal(socket.io.engine.transport.form, 'websocket');
    assert.deepEqual(seen, Array.from({ length: n }, (_, i) => i));
    assert.deepEqual(lab.server.heard.filter((packet) => packet.startsWith('42["up"')).length, 8);
    assert.deepEqual(socket.names(), ['connect']);
  });

  for (const fault of ['dead after 5', 'cut after 5']) {
    it(`does not trust a WebSocket that is ${fault}, and loses nothing by it`, () => {
      const lab = new Lab({ policy: ['websocket', 'xhr-polling'] });
      lab.server.webSocket = fault;
      const socket = lab.socket();
      while (!lab.server.requests.some((request) => request.method === 'WS')) lab.advance(5);
      for (let i = 0; i < 40; i++) {
        socket.emit('n', i);
        lab.advance(5);
      }
      lab.advance(10_000);
      assert.equal(socket.connected, true);
      assert.equal(socket.io.engine.transport.form, 'xhr-polling');
      assert.deepEqual(lab.server.heard.filter((packet) => packet.startsWith('42["n"')), Array.from({ length: 40 }, (_, i) => `42["n",${i}]`));
      assert.ok(lab.lines(socket).includes('websocket upgrade failed'));
      assert.ok(lab.lines(socket).includes('websocket quarantine quarantined'));
      assert.equal(lab.server.requests.filter((request) => request.method === 'WS').length, 1);
    });
  }

  it('gives up on a WebSocket that opens and dies young again and again', () => {
    const lab = new Lab({ policy: ['websocket', 'xhr-polling'] });
    const socket = lab.socket();
    lab.advance(1000);
    for (let i = 0; i < 2; i++) {
      assert.equal(socket.io.engine.transport.form, 'websocket');
      lab.server.session.die();
      lab.advance(3000);
    }
    assert.equal(socket.io.engine.transport.form, 'xhr-polling');
    assert.equal(socket.connected, true);
    lab.advance(30_000);
    assert.equal(socket.io.engine.transport.form, 'websocket', 'and tries it again later');
  });

  it('does not blame a WebSocket that lived long, or one that the server closed in good order', () => {
    const lab = new Lab({ policy: ['websocket', 'xhr-polling'] });
    const socket = lab.socket();
    for (let i = 0; i < 3; i++) {
      lab.advance(2000);
      lab.server.session.die({ code: 1001, wasClean: true });
    }
    for (let i = 0; i < 3; i++) {
      lab.advance(5000);
      lab.live(80_000);
      lab.server.session.die();
    }
    lab.advance(5000);
    assert.equal(socket.io.engine.transport.form, 'websocket');
  });

  it('notices a stream whose bytes are held back, at the start and as an upgrade', () => {
    const start = new Lab({ policy: ['eventsource', 'websocket'] });
    start.server.eventSource = 'held back';
    const first = start.socket();
    start.advance(6000);
    assert.equal(first.io.engine.transport.form, 'websocket');
    const better = new Lab({ policy: ['eventsource', 'xhr-polling'] });
    better.server.eventSource = 'held back';
    const second = better.socket();
    better.advance(6000);
    assert.equal(second.io.engine.transport.form, 'xhr-polling');
    assert.deepEqual(second.names(), ['connect']);
    assert.ok(second.io.timeline().some((entry) => entry.transport === 'eventsource' && entry.code === 'silent'));
  });

  it('opens the next stream when one was recycled', () => {
    const lab = new Lab({ policy: ['eventsource', 'xhr-polling'] });
    const socket = lab.socket();
    lab.advance(1000);
    const before = times(lab.server.requests, 'ES').length;
    for (let i = 0; i < 10; i++) {
      lab.server.session.push(`42["n",${i}]`, '6');
      lab.advance(200);
    }
    assert.equal(times(lab.server.requests, 'ES').length, before + 10);
    assert.deepEqual(socket.names(), ['connect']);
  });

  it('replaces its list by the one in a refusal, at once', () => {
    const lab = new Lab({ policy: ALL });
    lab.server.policy = ['websocket'];
    const socket = lab.socket();
    lab.advance(200);
    assert.equal(socket.connected, true);
    assert.equal(socket.io.engine.transport.form, 'websocket');
    assert.ok(lab.lines(socket).includes('xhr-polling open refused'));
    assert.deepEqual(plain(socket.io.policy), ['websocket']);
  });

  it('knocks at no other door when it is the visitor who is refused, and says why', () => {
    const lab = new Lab();
    lab.server.instead = () => ({ status: 403, body: '{"code":4,"message":"Forbidden","reason":"origin x is not allowed here"}' });
    const socket = lab.socket(undefined, { reconnectionAttempts: 2 });
    lab.advance(60_000);
    const errors = socket.log.filter(([name]) => name === 'connect_error').map(([, error]) => `${error.code}: ${error.message}`);
    assert.deepEqual(errors, Array(3).fill('forbidden: origin x is not allowed here'));
    assert.equal(lab.server.requests.length, 3);
    lab.server.instead = null;
    socket.connect();
    lab.advance(1000);
    assert.equal(socket.connected, true, 'and is let in when the server has changed its mind');
  });

  it('follows a policy that changes while it is connected', () => {
    const lab = new Lab({ policy: ['xhr-polling', 'websocket'] });
    const socket = lab.socket();
    lab.advance(1000);
    lab.server.policy = ['websocket'];
    lab.server.session.push('42["x"]');
    lab.advance(5000);
    assert.equal(socket.connected, true);
    assert.equal(socket.io.engine.transport.form, 'websocket');
  });

  it('never asks again and again when nothing at all is allowed', () => {
    const lab = new Lab({ policy: ['xhr-polling'] });
    lab.server.policy = ['flashsocket'];
    const socket = lab.socket();
    lab.advance(60_000);
    assert.equal(socket.connected, false);
    assert.ok(lab.server.requests.length < 25, `${lab.server.requests.length} requests in a minute`);
  });

  it('knows a foreign answer from one of the server', () => {
    const lab = new Lab({ policy: ['xhr-polling'] });
    lab.server.instead = () => ({ status: 200, body: '<html><title>Please sign in</title></html>' });
    const socket = lab.socket();
    lab.advance(60_000);
    const [, error] = socket.log.find(([name]) => name === 'connect_error');
    assert.equal(error.code, 'garbled');
    assert.ok(lab.server.requests.length < 25, 'without asking in a loop');
  });

  it('moves on at once when the first transport fails at once', () => {
    const lab = new Lab({ policy: ['xhr-polling', 'websocket'] });
    lab.server.instead = ({ query }) => (query.get('transport') === 'polling' ? { status: 502, body: 'Bad Gateway' } : undefined);
    const socket = lab.socket();
    lab.advance(200);
    assert.equal(socket.connected, true);
    assert.equal(socket.io.engine.transport.form, 'websocket');
  });
});

describe('staying connected', () => {
  it('answers heartbeats, and notices when they stop', () => {
    const lab = new Lab({ policy: ['xhr-polling'] });
    const socket = lab.socket(undefined, { reconnection: false });
    lab.advance(100);
    lab.live(80_000);
    assert.equal(lab.server.heard.filter((packet) => packet === '3').length, 4);
    assert.equal(socket.connected, true);
    lab.advance(60_000);
    assert.equal(socket.connected, false);
    assert.deepEqual(socket.log.at(-1).slice(0, 2), ['disconnect', 'ping timeout']);
  });

  it('notices after a sleep that it was asleep, and is back at once', () => {
    const lab = new Lab();
    const socket = lab.socket();
    lab.advance(1000);
    lab.clock.sleep(3_600_000);
    lab.server.sessions.clear();
    lab.dispatch('pageshow', { persisted: true });
    assert.equal(socket.connected, false);
    lab.advance(1000);
    assert.equal(socket.connected, true);
    assert.deepEqual(socket.names().slice(-4), ['reconnect_attempt', 'reconnecting', 'reconnect', 'connect']);
  });

  it('reconnects with jitter around a growing, bounded delay, and says when', () => {
    const delays = (random) => {
      const lab = new Lab({ policy: ['xhr-polling'], random });
      const socket = lab.socket();
      lab.advance(100);
      lab.server.stop();
      const seen = [];
      socket.io.on('waiting', (at) => seen.push(Math.round(at - lab.clock.now)));
      lab.advance(60_000);
      assert.equal(socket.io.nextAt > lab.clock.now, true);
      return seen.slice(0, 6);
    };
    assert.deepEqual(delays(0.5), [1000, 2000, 4000, 5000, 5000, 5000]);
    assert.deepEqual(delays(0), [500, 1000, 2000, 2500, 2500, 2500]);
    assert.deepEqual(delays(0.999), [1499, 2998, 5000, 5000, 5000, 5000]);
  });

  it('tells the page and its manager about every try', () => {
    const lab = new Lab({ policy: ['xhr-polling'] });
    const socket = lab.socket(undefined, { reconnectionAttempts: 2, reconnectionDelay: 100 });
    const manager = [];
    for (const name of ['reconnect_attempt', 'reconnect_error', 'reconnect_failed', 'reconnect', 'connect_error']) socket.io.on(name, () => manager.push(name));
    lab.advance(50);
    lab.server.stop();
    lab.advance(5000);
    assert.deepEqual(socket.names(), ['connect', 'disconnect', 'reconnect_attempt', 'reconnecting', 'connect_error', 'reconnect_error', 'reconnect_attempt', 'reconnecting', 'connect_error', 'reconnect_error', 'reconnect_failed']);
    assert.deepEqual(manager, ['reconnect_attempt', 'connect_error', 'reconnect_error', 'reconnect_attempt', 'connect_error', 'reconnect_error', 'reconnect_failed']);
    lab.server.up = true;
    socket.connect();
    lab.advance(200);
    assert.equal(socket.connected, true);
  });

  it('reconnects by itself when the first connection fails, too', () => {
    const lab = new Lab({ policy: ['xhr-polling'] });
    lab.server.up = false;
    const socket = lab.socket();
    lab.advance(500);
    lab.server.up = true;
    lab.advance(3000);
    assert.deepEqual(socket.names(), ['connect_error', 'reconnect_attempt', 'reconnecting', 'reconnect', 'connect']);
  });

  it('does not wait when told to connect now, or when the browser is online again', () => {
    for (const wake of [(lab, socket) => socket.connect(), (lab) => lab.dispatch('online')]) {
      const lab = new Lab({ policy: ['xhr-polling'] });
      const socket = lab.socket(undefined, { reconnectionDelay: 60_000, reconnectionDelayMax: 60_000 });
      lab.advance(100);
      lab.server.stop();
      lab.advance(1000);
      lab.server.up = true;
      assert.equal(socket.connected, false);
      wake(lab, socket);
      lab.advance(100);
      assert.equal(socket.connected, true);
    }
  });

  it('sends what was said meanwhile exactly once, in order', () => {
    const lab = new Lab();
    const socket = lab.socket();
    lab.advance(1000);
    lab.server.stop();
    lab.advance(100);
    const answers = [];
    lab.server.onPacket = (packet, session) => {
      const ask = /^2(\d+)\["n",(\d+)\]/.exec(packet);
      if (ask) session.push(`43${ask[1]}[${ask[2]}]`);
    };
    for (let i = 0; i < 5; i++) socket.emit('n', i, (n) => answers.push(n));
    lab.advance(3000);
    lab.server.up = true;
    lab.advance(10_000);
    assert.equal(socket.connected, true);
    assert.deepEqual(lab.server.heard.filter((packet) => /^42\d+\["n"/.test(packet)).length, 5);
    assert.deepEqual(answers, [0, 1, 2, 3, 4]);
  });

  it('drops acknowledgements that can never come', () => {
    const lab = new Lab({ policy: ['xhr-polling'] });
    const socket = lab.socket();
    lab.advance(100);
    let called = false;
    socket.emit('unanswered', () => (called = true));
    lab.advance(50);
    lab.server.stop();
    lab.server.up = true;
    lab.advance(3000);
    lab.server.session.push('430["stale"]');
    lab.advance(100);
    assert.equal(called, false);
    assert.equal(socket.connected, true);
  });

  it('after an outage finds its way back to WebSocket: it was not WebSocket\'s fault', () => {
    const lab = new Lab();
    const socket = lab.socket();
    lab.advance(1000);
    lab.server.stop();
    lab.advance(120_000);
    lab.server.up = true;
    lab.advance(8000);
    assert.equal(socket.io.engine.transport.form, 'websocket');
  });

  it('does not knock at every door each time while the server is away', () => {
    const lab = new Lab();
    const socket = lab.socket();
    lab.advance(1000);
    lab.server.stop();
    lab.server.requests.length = 0;
    lab.advance(60_000);
    const tries = socket.names().filter((name) => name === 'reconnect_attempt').length;
    assert.ok(lab.server.requests.length <= tries * 2, `${lab.server.requests.length} requests in ${tries} tries`);
  });

  for (const [name, event] of [['online', {}], ['pageshow', { persisted: true }]]) {
    it(`gives quarantined transports a new chance when the browser says ${name}`, () => {
      const lab = new Lab();
      lab.server.webSocket = 'refused';
      const socket = lab.socket();
      lab.advance(1000);
      assert.equal(socket.io.engine.transport.form, 'eventsource');
      lab.server.webSocket = 'works';
      lab.dispatch(name, event);
      lab.advance(1000);
      assert.equal(socket.io.engine.transport.form, 'websocket');
      assert.deepEqual(socket.names(), ['connect']);
    });
  }

  it('leaves politely and for good', () => {
    for (const policy of [['xhr-polling'], ['websocket']]) {
      const lab = new Lab({ policy });
      const socket = lab.socket();
      lab.advance(200);
      socket.emit('last words');
      socket.disconnect();
      assert.equal(socket.connected, false);
      lab.advance(5000);
      const farewell = lab.server.heard.slice(lab.server.heard.indexOf('42["last words"]'));
      assert.deepEqual(farewell, policy[0] === 'websocket' ? ['42["last words"]', '41'] : ['42["last words"]', '41', '1']);
      lab.server.requests.length = 0;
      lab.advance(60_000);
      assert.equal(lab.server.requests.length, 0);
    }
  });

  it('keeps at most 200 lines of its timeline, and says when there is a new one', () => {
    const lab = new Lab({ policy: ['xhr-polling'] });
    const socket = lab.socket();
    let told = 0;
    socket.io.on('timeline', (entry) => {
      told++;
      for (const key of ['at', 'transport', 'step', 'ms', 'outcome', 'reason']) assert.ok(key in entry, key);
    });
    lab.server.up = false;
    lab.advance(3_600_000);
    assert.ok(told > 200);
    assert.equal(socket.io.timeline().length, 200);
  });
});

describe('other origins', () => {
  it('are reached where the browser can', () => {
    const lab = new Lab();
    const socket = lab.socket('http://other.test');
    lab.advance(1000);
    assert.equal(socket.connected, true);
    assert.equal(socket.io.engine.transport.form, 'websocket');
    assert.ok(lab.lines(socket).includes('htmlfile support unsupported'));
  });
});
