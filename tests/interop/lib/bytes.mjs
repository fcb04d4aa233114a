// Binary arguments, to be compared or carried where only JSON goes. The functions are self-contained and of ES5: pages
// and old Nodes get their source.

/** A copy of `value` with `change` applied to every ArrayBuffer and view in it. */
export function mapBytes(value, change) {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof ArrayBuffer || (ArrayBuffer.isView && ArrayBuffer.isView(value))) return change(value);
  if (typeof Buffer !== 'undefined' && Buffer.isBuffer(value)) return change(value); // no view in the oldest Nodes
  if (Array.isArray(value)) {
    return value.map(function (inner) {
      return mapBytes(inner, change);
    });
  }
  var copy = {};
  Object.keys(value).forEach(function (key) {
    copy[key] = mapBytes(value[key], change);
  });
  return copy;
}

export function toHex(buffer) {
  var bytes = buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : buffer.buffer ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength) : buffer;
  var hex = '';
  for (var n = 0; n < bytes.length; n++) hex += (bytes[n] < 16 ? '0' : '') + bytes[n].toString(16);
  return hex;
}

/** JSON text of `value`, with bytes as `{ $bytes: hex }`. */
export function pack(value) {
  var plain = mapBytes(value, function (buffer) {
    return { $bytes: toHex(buffer) };
  });
  return JSON.stringify(plain);
}

/** The reverse, with an ArrayBuffer for all bytes. */
export function unpack(text) {
  return JSON.parse(text, function (_, inner) {
    if (!inner || typeof inner.$bytes !== 'string') return inner;
    var bytes = new Uint8Array(inner.$bytes.length / 2);
    for (var n = 0; n < bytes.length; n++) bytes[n] = parseInt(inner.$bytes.substr(2 * n, 2), 16);
    return bytes.buffer;
  });
}
