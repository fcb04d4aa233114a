// Binary arguments, to be compared or carried where only JSON goes. The functions are self-contained: pages get their source.

/** A copy of `value` with `change` applied to every ArrayBuffer and view in it. */
export function mapBytes(value, change) {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return change(value);
  if (Array.isArray(value)) return value.map((inner) => mapBytes(inner, change));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mapBytes(inner, change)]));
}

export function toHex(buffer) {
  const bytes = new Uint8Array(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** JSON text of `value`, with bytes as `{ $bytes: hex }`. */
export function pack(value) {
  return JSON.stringify(mapBytes(value, (buffer) => ({ $bytes: toHex(buffer) })));
}

/** The reverse, with an ArrayBuffer for all bytes. */
export function unpack(text) {
  return JSON.parse(text, (_, inner) => (typeof inner?.$bytes === 'string' ? Uint8Array.from(inner.$bytes.match(/../g) ?? [], (hex) => parseInt(hex, 16)).buffer : inner));
}
