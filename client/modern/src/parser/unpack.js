// MessagePack to values.

const utf8 = new TextDecoder();

/** Levels of lists and maps within each other. */
const DEPTH = 100;

/** Throws if `bytes` are not one whole value. */
export function unpack(bytes) {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.at !== bytes.length) throw new Error('more than one value');
  return value;
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  number(size, method) {
    const value = this.view[method](this.at);
    this.at += size;
    return value;
  }

  i64() {
    return this.number(4, 'getInt32') * 2 ** 32 + this.number(4, 'getUint32');
  }

  u64() {
    return this.number(4, 'getUint32') * 2 ** 32 + this.number(4, 'getUint32');
  }

  /** The length that follows, of 1, 2 or 4 bytes. */
  length(size) {
    return this.number(size, size === 1 ? 'getUint8' : size === 2 ? 'getUint16' : 'getUint32');
  }

  raw(length) {
    const end = this.at + length;
    if (end > this.bytes.length) throw new Error('the value is cut short');
    const bytes = this.bytes.subarray(this.at, end);
    this.at = end;
    return bytes;
  }

  text(length) {
    return utf8.decode(this.raw(length));
  }

  binary(length) {
    const bytes = this.raw(length).slice();
    return typeof Buffer === 'function' ? Buffer.from(bytes.buffer) : bytes.buffer;
  }

  list(length, depth) {
    const list = [];
    for (let n = 0; n < length; n++) list.push(this.value(depth));
    return list;
  }

  map(length, depth) {
    const map = {};
    for (let n = 0; n < length; n++) {
      const key = this.value(depth);
      const value = this.value(depth);
      // As JSON.parse does: a property of its own, whatever the name.
      Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
    }
    return map;
  }

  extension(length) {
    const type = this.number(1, 'getInt8');
    if (type === 0 && length === 1) {
      this.raw(1);
      return undefined;
    }
    if (type === 0 && length === 8) return new Date(this.i64());
    return this.binary(length);
  }

  value(depth) {
    if (depth > DEPTH) throw new Error('lists and maps too deep');
    const mark = this.number(1, 'getUint8');
    if (mark < 0x80) return mark;
    if (mark < 0x90) return this.map(mark & 15, depth + 1);
    if (mark < 0xa0) return this.list(mark & 15, depth + 1);
    if (mark < 0xc0) return this.text(mark & 31);
    if (mark >= 0xe0) return mark - 0x100;
    switch (mark) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.binary(this.length(1 << (mark - 0xc4)));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.extension(this.length(1 << (mark - 0xc7)));
      case 0xca:
        return this.number(4, 'getFloat32');
      case 0xcb:
        return this.number(8, 'getFloat64');
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.length(1 << (mark - 0xcc));
      case 0xcf:
        return this.u64();
      case 0xd0:
        return this.number(1, 'getInt8');
      case 0xd1:
        return this.number(2, 'getInt16');
      case 0xd2:
        return this.number(4, 'getInt32');
      case 0xd3:
        return this.i64();
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.extension(1 << (mark - 0xd4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.text(this.length(1 << (mark - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.list(this.length(2 << (mark - 0xdc)), depth + 1);
      case 0xde:
      case 0xdf:
        return this.map(this.length(2 << (mark - 0xde)), depth + 1);
      default:
        throw new Error('no value begins so');
    }
  }
}
