// The binary parts of Socket.IO packets. WebSocket sends them as they are, other transports as
// base64.

// The byte array constructor, if the browser has everything that binary parts need.
var Bytes = root.ArrayBuffer && root.atob && root.Uint8Array;

// Copies the value with a placeholder for each binary part, and adds the parts to `found`.
function takeBinary(value, found) {
  var out, key;
  if (!value || typeof value !== 'object') return value;
  if (classOf(value.buffer || value) === 'ArrayBuffer') {
    found.push(value.buffer ?
      new Bytes(new Bytes(value.buffer, value.byteOffset, value.byteLength)).buffer : value);
    return { _placeholder: true, num: found.length - 1 };
  }
  if (typeof value.toJSON === 'function') return value;
  out = classOf(value) === 'Array' ? [] : {};
  for (key in value) if (hasOwn(value, key)) out[key] = takeBinary(value[key], found);
  return out;
}

// Replaces the placeholders with the binary parts.
function putBinary(value, found) {
  if (!value || typeof value !== 'object') return value;
  if (value._placeholder === true) {
    if (!found[value.num]) throw garbledError();
    return found[value.num];
  }
  for (var key in value) if (hasOwn(value, key)) value[key] = putBinary(value[key], found);
  return value;
}

function toBase64(buffer) {
  for (var text = '', bytes = new Bytes(buffer), i = 0; i < bytes.length; i++) {
    text += String.fromCharCode(bytes[i]);
  }
  return root.btoa(text);
}

function fromBase64(text) {
  var bytes, i;
  if (!Bytes) return { base64: true, data: text };
  text = root.atob(text);
  bytes = new Bytes(text.length);
  for (i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
}
