// Engine.IO packets, alone and several in one body.

import { fromBase64, isBinary, received, sizeOf, toBase64, toBytes, utf8Length } from '../bytes.js';

const TYPES = ['open', 'close', 'ping', 'pong', 'message', 'upgrade', 'noop'];
const SEPARATOR = '\x1e';

/** As text: of a blob, a promise of it. */
export function encodeText({ type, data }) {
  if (!isBinary(data)) return TYPES.indexOf(type) + (data === undefined ? '' : data);
  const bytes = toBytes(data);
  return ArrayBuffer.isView(bytes) ? `b${toBase64(bytes)}` : bytes.then((read) => `b${toBase64(read)}`);
}

/** One body of several packets: a promise of it if one of them is a blob. */
export function encodeBody(packets) {
  const texts = packets.map(encodeText);
  const join = (parts) => parts.join(SEPARATOR);
  return texts.some((text) => typeof text !== 'string') ? Promise.all(texts).then(join) : join(texts);
}

/** The length of a packet in a body. */
export function lengthOf({ data }) {
  if (typeof data === 'string') return 1 + utf8Length(data);
  return data === undefined ? 1 : 1 + 4 * Math.ceil(sizeOf(data) / 3);
}

/** `undefined` if the server sent no packet. */
export function decodePacket(message, binaryType) {
  try {
    if (typeof message !== 'string') return { type: 'message', data: received(toBytes(message), binaryType) };
    if (message[0] === 'b') return { type: 'message', data: received(fromBase64(message.slice(1)), binaryType) };
  } catch (_) {
    return undefined;
  }
  const type = TYPES[message.charCodeAt(0) - 48];
  return type && { type, data: message.length > 1 ? message.slice(1) : undefined };
}

export function decodeBody(body, binaryType) {
  return body.split(SEPARATOR).map((message) => decodePacket(message, binaryType));
}
