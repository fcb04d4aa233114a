// Bytes in the forms that applications have them, and as base64.

const isBlob = (value) => typeof Blob === 'function' && value instanceof Blob;

/** Whether a value travels as an attachment: buffers, views of them, blobs and files. */
export function isBinary(value) {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value) || isBlob(value);
}

/** The bytes of anything binary; of a blob, a promise of them. */
export function toBytes(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return new Response(value).arrayBuffer().then((buffer) => new Uint8Array(buffer));
}

/** Number of bytes. */
export function sizeOf(value) {
  return isBlob(value) ? value.size : value.byteLength;
}

/** The longest list of arguments that every engine takes. */
const STEP = 8192;

export function toBase64(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at += STEP) text += String.fromCharCode(...bytes.subarray(at, at + STEP));
  return btoa(text);
}

export function fromBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = characters.charCodeAt(at);
  return bytes;
}

/** Received bytes as the engine's `binaryType` says: `arraybuffer`, `blob`, or in Node `nodebuffer`. */
export function received(bytes, binaryType) {
  if (binaryType === 'nodebuffer' && typeof Buffer === 'function') return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (binaryType === 'blob') return new Blob([bytes]);
  const { buffer, byteOffset, byteLength } = bytes;
  return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
}

/** Length of a string in UTF-8. */
export function utf8Length(text) {
  let length = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    // A surrogate pair is 2 units and 4 bytes.
    if (unit > 0x7f) length += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return length;
}
