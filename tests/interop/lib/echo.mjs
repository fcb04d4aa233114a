// What the example servers owe a client: its arguments back, unharmed, in events and in acknowledgements.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mapBytes, toHex } from './bytes.mjs';
import { CORPUS } from './corpus.mjs';

const bytes = (length, at) => Buffer.from(Array.from({ length }, (_, n) => at(n)));
export const BYTES = bytes(256, (n) => n);

/** Arguments with no attachment, one, several, nested ones, and an empty one. */
const ARGUMENTS = [
  [],
  ['text', 1, -1.5, true, null, [], {}, { nested: [{ deep: 'value' }] }],
  CORPUS,
  [BYTES],
  ['first', BYTES, { second: bytes(3, (n) => 9 - n), list: ['x', [bytes(7, (n) => 249 + n)]] }, 'last'],
  [{ empty: bytes(0) }, bytes(70_000, (n) => n % 251)],
];

/** What a client of `socketio_echo` must listen to for `checkEcho`. */
export const ECHO_EVENTS = { events: ['message-back', 'auth'] };

/** 0.9 has no attachments. */
function argumentsFor({ spec }) {
  return spec.generation.startsWith('0.') ? ARGUMENTS.slice(0, 3) : ARGUMENTS;
}

export async function checkEcho(client) {
  for (const args of argumentsFor(client)) {
    same(await client.call('message-with-ack', ...args), args, client, 'acknowledgement');
    const from = client.log.position;
    await client.emit('message', ...args);
    same(await client.until('message-back', undefined, { from }), args, client, 'event');
  }
}

/** What a client of `socketio_ask` must listen to, and acknowledge, for `checkAsk`. */
export const ASK_EVENTS = { events: ['answer'], echoes: ['question'] };

export async function checkAsk(client) {
  for (const args of argumentsFor(client)) {
    const from = client.log.position;
    await client.emit('ask', ...args);
    same(await client.until('question', undefined, { from }), args, client, 'question');
    same(await client.until('answer', undefined, { from }), args, client, 'answer');
  }
}

/**
 * Like deepEqual, but a Buffer, an ArrayBuffer and a typed array of the same bytes are the same. 1.0.6 on today's Node
 * fills what it sends with zeros (in browsers it does not): there only the places of attachments are compared.
 */
export function same(actual, expected, client, what = '') {
  const legible = client.spec.generation === '1.0.6' && !client.spec.inPage ? () => 'bytes' : legibleBytes;
  assert.deepEqual(mapBytes(actual, legible), mapBytes(expected, legible), `${client.name} ${what}`);
}

function legibleBytes(buffer) {
  const hex = toHex(buffer);
  return hex.length <= 1000 ? `bytes ${hex}` : `${buffer.byteLength} bytes, sha256 ${createHash('sha256').update(hex).digest('hex')}`;
}
