// What a raw client sees of a fault. `proof` in the table names these, with what they expect.

import assert from 'node:assert/strict';
import { FRAMES, PIECES } from './upstream.mjs';
import { ENGINE, get, upgrade } from './raw.mjs';

/** For what is expected to be silent; long against what an answer takes on this machine. */
const SILENT_MS = 700;

const outcome = ({ status, failed }) => failed ?? status;

/** `stage` as of stage.mjs, `up` as of upstream.mjs if the fault needs no server. */
export const PROOFS = {
  /** The status of a plain request of the engine, or how it fails. */
  async plain({ stage, proof }, expected) {
    if (expected === 429) await exhaust(stage, proof);
    const seen = await get(`${stage.url}${ENGINE}polling`, options(stage, proof));
    assert.equal(outcome(seen), expected, 'a plain request');
    if (proof.text && expected !== 200) assert.match(seen.text, proof.text);
    if (proof.offered) assert.deepEqual(JSON.parse(seen.text.slice(1)).upgrades, proof.offered);
  },

  /** The status of an upgrade, or how it fails. */
  async upgrade({ stage, proof, up }, expected) {
    if (expected === 429) await exhaust(stage, proof);
    const patience = expected === 'silent' ? { patience: SILENT_MS } : {};
    const headers = { ...options(stage, proof).headers, 'Sec-WebSocket-Protocol': 'chat' };
    const seen = await upgrade(`${stage.url}${ENGINE}websocket`, { ...options(stage, proof), headers, ...patience });
    assert.equal(outcome(seen), expected, 'an upgrade');
    seen.socket?.close();
    if (proof.text && expected !== 101) assert.match(seen.text, proof.text);
    for (const [name, value] of Object.entries(proof.headers ?? {})) assert.equal(seen.headers[name], value, name);
    for (const [name, value] of Object.entries(proof.arrives ?? {})) {
      const arrived = { version: up.upgrades[0].httpVersion, path: up.upgrades[0].url, ...up.upgrades[0].headers }[name];
      if (value instanceof RegExp) assert.match(arrived, value);
      else assert.equal(arrived, value, `${name} as it arrives`);
    }
  },

  /** Which of three frames each way pass, or how the WebSocket ends. */
  async frames({ stage, up, scale }, expected) {
    const { plan } = stage;
    // From before the 101: a busy client reads it late.
    const from = Date.now();
    const { socket } = await upgrade(`${stage.url}${ENGINE}websocket`);
    if (expected.lasts || expected.halfOpen) {
      socket.send('echo');
      await socket.until(() => socket.frames.length === FRAMES.length + 1 || socket.over);
      if (expected.lasts) {
        assert.equal(await socket.ended(), 'closed');
        assert.ok(Date.now() - from >= plan.frames.endMs * scale - 5, `after ${Date.now() - from} ms`);
      }
      await up.webSockets[0].ended;
      if (expected.halfOpen) {
        socket.send('echo');
        await get(`${stage.url}${ENGINE}polling`);
        assert.equal(socket.over, undefined, 'nobody tells the client');
        assert.equal(socket.frames.length, FRAMES.length + 1);
      }
    } else {
      for (const text of ['up 0', 'up 1', 'up 2']) socket.send(text);
      await stage.proxy.met(expected.reserved ? 6 : 6 - expected.up - expected.down);
      const [{ frames }] = up.webSockets;
      await socket.until(() => socket.frames.length >= expected.down);
      while (frames.length < expected.up) await get(`${stage.url}${ENGINE}polling`);
      assert.deepEqual(frames.map(({ text }) => text), ['up 0', 'up 1', 'up 2'].slice(0, expected.up));
      assert.deepEqual(socket.frames.map(({ text }) => text), FRAMES.slice(0, expected.down));
      for (const frame of [...frames, ...socket.frames]) assert.equal(frame.reserved, expected.reserved ?? 0);
      assert.equal(socket.over, undefined, 'it stays open');
    }
    socket.close();
  },

  /** A connection that is used stays; one that is silent is cut, or nobody hears of it any more. */
  async silence({ stage, up, scale }, expected) {
    const after = stage.fault.link.silenceMs * scale;
    const { socket } = await upgrade(`${stage.url}${ENGINE}websocket`);
    // Longer than the silence in all, and each pause so short that a machine under load does not make it one.
    const used = 12;
    // From before the last of it: a busy client reads the echo late.
    let from;
    for (let i = 1; i <= used; i += 1) {
      await sleep(after / 10);
      from = Date.now();
      socket.send('echo');
      await socket.until(() => socket.frames.length === FRAMES.length + i);
    }
    if (expected === 'cut') {
      assert.equal(await socket.ended(), 'reset');
      assert.ok(Date.now() - from >= after - 5, `after ${Date.now() - from} ms`);
    } else {
      await stage.link.fallen;
      socket.send('echo, never heard');
      assert.equal((await get(`${stage.url}${ENGINE}polling`)).status, 200, 'a new connection works');
      assert.equal(up.webSockets[0].frames.length, used);
      assert.equal(socket.over, undefined, 'nobody tells the client');
    }
    socket.close();
  },

  /** How the pieces of a stream come. */
  async stream({ stage }, { comes, encoding }) {
    const seen = await get(`${stage.url}${ENGINE}eventsource`, { enough: comes === 'together' ? (text) => text.includes(PIECES[0]) : undefined });
    assert.equal(seen.headers['content-encoding'], encoding);
    if (comes === 'at the end') {
      // a compressor's head may come before
      const early = seen.pieces.filter(([ms]) => ms < seen.pieces.at(-1)[0] - 30);
      assert.ok(seen.ended && early.every(([, piece]) => piece.length <= 10), JSON.stringify(seen.pieces));
    }
    if (comes === 'in blocks') assert.ok(seen.pieces[0][1].length > 4096 && seen.pieces.length > 1);
    if (comes === 'together') assert.equal(seen.ended, false, 'a piece comes before the end');
  },

  /** What becomes of request bodies of so many bytes. */
  async posts({ stage }, expected) {
    for (const [size, status] of Object.entries(expected)) {
      const seen = await get(`${stage.url}${ENGINE}polling`, { method: 'POST', body: 'x'.repeat(size) });
      assert.equal(outcome(seen), status, `${size} bytes`);
    }
  },

  /** The statuses of requests, one after the other and fast. */
  async statuses({ stage }, expected) {
    const seen = [];
    for (const _ of expected) seen.push(outcome(await get(`${stage.url}${ENGINE}polling`)));
    assert.deepEqual(seen, expected);
  },

  /** How long it takes, at least. */
  async takes({ stage, scale }, { roundTrips, bytes, ms }) {
    const from = Date.now();
    const body = bytes && 'x'.repeat(bytes);
    assert.equal((await get(`${stage.url}${ENGINE}polling`, bytes ? { method: 'POST', body } : {})).status, 200);
    const least = ms ?? roundTrips * stage.fault.link.delayMs * scale;
    assert.ok(Date.now() - from >= least - 5, `${Date.now() - from} ms, not ${least}`);
  },

  /** So many frames come back, in order, and not all at the same pace. */
  async ordered({ stage }, count) {
    const { socket } = await upgrade(`${stage.url}${ENGINE}websocket`);
    const texts = Array.from({ length: count }, (_, n) => `echo ${n}`);
    const times = [];
    for (const [n, text] of texts.entries()) {
      const from = Date.now();
      socket.send(text);
      if (n < 8) await socket.until(() => socket.frames.some((frame) => frame.text === text));
      if (n < 8) times.push(Date.now() - from);
    }
    await socket.until(() => socket.frames.length === FRAMES.length + count);
    assert.deepEqual(socket.frames.slice(FRAMES.length).map(({ text }) => text), texts);
    assert.ok(Math.max(...times) - Math.min(...times) > 10, `${times}`);
    socket.close();
  },

  /** A session is known to one of so many servers. */
  async instances({ stage }, count) {
    const { text } = await get(`${stage.url}${ENGINE}polling`);
    const { sid } = JSON.parse(text.slice(1));
    const statuses = [];
    for (let i = 0; i < count; i += 1) statuses.push((await get(`${stage.url}${ENGINE}polling&sid=${sid}`, { method: 'POST', body: '40' })).status);
    assert.deepEqual(statuses.sort(), [200, ...Array.from({ length: count - 1 }, () => 400)]);
  },

  /** How TLS fails for a client that trusts the authority, if anybody does. */
  async tls({ stage }, expected) {
    const seen = await get(`${stage.url}${ENGINE}polling`, { ca: stage.ca });
    assert.equal(seen.failed, expected);
  },

  /** What the real proxy does with a poll, and with a WebSocket, that is silent. */
  async given({ stage }, { poll, webSocket, ms }) {
    const late = (from) => assert.ok(Date.now() - from >= ms * 0.9, `after ${Date.now() - from} ms`);
    const polled = async () => {
      const from = Date.now();
      assert.equal(outcome(await get(`${stage.url}${ENGINE}polling&silent`)), poll);
      late(from);
    };
    const opened = async () => {
      const from = Date.now();
      const { socket } = await upgrade(`${stage.url}${ENGINE}websocket`);
      assert.equal(await socket.ended(), webSocket);
      late(from);
    };
    await Promise.all([poll && polled(), webSocket && opened()]);
  },

  /** What is seen when that has happened while a session was there. */
  async after({ stage }, expected) {
    const polling = `${stage.url}${ENGINE}polling`;
    const { sid } = JSON.parse((await get(polling)).text.slice(1));
    const { socket } = await upgrade(`${stage.url}${ENGINE}websocket`);
    await socket.frame(0);
    socket.send('40');
    await socket.until(() => socket.frames.length >= 2);
    if (expected.reader) {
      socket.send('420["add user","reader"]');
      await socket.until(() => socket.frames.some(({ text }) => text.startsWith('430')));
    }
    await stage.act();
    if (expected.webSocket) assert.equal(await socket.ended(), expected.webSocket);
    if (expected.session) assert.match((await get(`${polling}&sid=${sid}`)).text, /Session ID unknown/);
    if (expected.upgrade) assert.equal(outcome(await upgrade(`${stage.url}${ENGINE}websocket`)), expected.upgrade);
    if (expected.plain) assert.equal(outcome(await get(`${stage.servers[0].url}${ENGINE}polling`, { patience: SILENT_MS })), expected.plain);
    if (expected.slow) await slow(polling, expected.slow);
    if (expected.reader) await stage.servers[0].said(/slow reader/);
    socket.close();
  },
};

/** Until no more is allowed: since others used it up, some of it may be there again. */
async function exhaust(stage, proof) {
  for (let left = 20; left && outcome(await get(`${stage.url}${ENGINE}polling`, options(stage, proof))) !== 429; ) left -= 1;
}

/** Of a few requests one takes that long, and all are answered. */
async function slow(url, ms) {
  const times = [];
  for (let i = 0; i < 4; i += 1) {
    const from = Date.now();
    assert.equal((await get(url)).status, 200);
    times.push(Date.now() - from);
  }
  assert.ok(Math.max(...times) >= ms, `${times}`);
}

function options({ ca }, { origin }) {
  return { ca, headers: origin ? { Origin: origin } : {} };
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
