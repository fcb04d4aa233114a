// Values to MessagePack.

import { isBinary, toBytes } from '../bytes.js';

const utf8 = new TextEncoder();

export function pack(value) {
  const writer = new Writer();
  write(writer, value);
  return writer.bytes();
}

/** A buffer that grows. */
class Writer {
  constructor() {
    this._buffer = new Uint8Array(256);
    this._view = new DataView(this._buffer.buffer);
    this._at = 0;
  }

  bytes() {
    return this._buffer.slice(0, this._at);
  }

  /** Returns where to write `size` bytes. */
  _room(size) {
    const at = this._at;
    this._at += size;
    if (this._at > this._buffer.length) {
      const larger = new Uint8Array(Math.max(this._at, 2 * this._buffer.length));
      larger.set(this._buffer);
      this._buffer = larger;
      this._view = new DataView(larger.buffer);
    }
    return at;
  }

  u8(value) {
    const at = this._room(1);
    this._view.setUint8(at, value);
  }

  /** A byte, then a number by a method of DataView. */
  number(mark, size, method, value) {
    this.u8(mark);
    const at = this._room(size);
    this._view[method](at, value);
  }

  /** A signed integer of 64 bits. */
  i64(mark, value) {
    this.number(mark, 4, 'setInt32', Math.floor(value / 2 ** 32));
    const at = this._room(4);
    this._view.setUint32(at, value >>> 0);
  }

  raw(bytes) {
    const at = this._room(bytes.length);
    this._buffer.set(bytes, at);
  }

  /** The shortest mark that has a length: `marks` for 8, 16 and 32 bits. */
  length(length, marks) {
    if (length < 0x100 && marks[0]) this.number(marks[0], 1, 'setUint8', length);
    else if (length < 0x10000) this.number(marks[1], 2, 'setUint16', length);
    else this.number(marks[2], 4, 'setUint32', length);
  }
}

function write(writer, value) {
  switch (typeof value) {
    case 'string':
      return writeText(writer, value);
    case 'number':
      return writeNumber(writer, value);
    case 'boolean':
      return writer.u8(value ? 0xc3 : 0xc2);
    case 'object':
      return value === null ? writer.u8(0xc0) : writeObject(writer, value);
    case 'undefined':
      return writer.u8(0xc0);
    default:
      throw new TypeError(`a ${typeof value} cannot be sent`);
  }
}

function writeText(writer, text) {
  const bytes = utf8.encode(text);
  if (bytes.length < 32) writer.u8(0xa0 | bytes.length);
  else writer.length(bytes.length, [0xd9, 0xda, 0xdb]);
  writer.raw(bytes);
}

function writeNumber(writer, value) {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) return writer.number(0xcb, 8, 'setFloat64', value);
  if (value >= 0) {
    if (value < 0x80) return writer.u8(value);
    if (value < 2 ** 32) return writer.length(value, [0xcc, 0xcd, 0xce]);
    return writer.i64(0xcf, value);
  }
  if (value >= -0x20) return writer.u8(value & 0xff);
  if (value >= -0x80) return writer.number(0xd0, 1, 'setInt8', value);
  if (value >= -0x8000) return writer.number(0xd1, 2, 'setInt16', value);
  if (value >= -0x80000000) return writer.number(0xd2, 4, 'setInt32', value);
  return writer.i64(0xd3, value);
}

function writeObject(writer, value) {
  if (isBinary(value)) {
    const bytes = toBytes(value);
    if (!ArrayBuffer.isView(bytes)) throw new TypeError('a blob cannot be sent as MessagePack: send its arrayBuffer()');
    writer.length(bytes.length, [0xc4, 0xc5, 0xc6]);
    return writer.raw(bytes);
  }
  if (value instanceof Date) {
    // Extension 0 with 8 bytes: ms since 1970.
    writer.u8(0xd7);
    return writer.i64(0, value.getTime());
  }
  if (Array.isArray(value)) {
    if (value.length < 16) writer.u8(0x90 | value.length);
    else writer.length(value.length, [0, 0xdc, 0xdd]);
    for (const item of value) write(writer, item);
    return undefined;
  }
  if (typeof value.toJSON === 'function') return write(writer, value.toJSON());
  const keys = Object.keys(value).filter((key) => value[key] !== undefined && typeof value[key] !== 'function');
  if (keys.length < 16) writer.u8(0x80 | keys.length);
  else writer.length(keys.length, [0, 0xde, 0xdf]);
  for (const key of keys) {
    writeText(writer, key);
    write(writer, value[key]);
  }
  return undefined;
}
