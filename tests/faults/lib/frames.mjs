// The frames of a WebSocket on their way: which pass, which are swallowed, which are damaged, and when it ends.

/** How often a connection meets the end that its plan has, so that tests can wait for it. */
export function relayFrames(client, upstream, plan = {}, met = () => {}) {
  const passes = { up: plan.up ?? Infinity, down: plan.down ?? Infinity };
  const readers = { up: new FrameReader(), down: new FrameReader() };
  let gone = false;

  const pass = (direction, to) => (bytes) => {
    if (gone) return;
    for (const frame of readers[direction].read(bytes)) {
      if (passes[direction] <= 0) {
        met();
        continue;
      }
      passes[direction] -= 1;
      if (plan.mangle) met();
      to.write(plan.mangle ? damaged(frame) : frame);
    }
  };
  client.on('data', pass('up', upstream));
  upstream.on('data', pass('down', client));
  const end = (from, to) => () => {
    // what swallows frames does not tell of the end, either
    if (!gone && passes.up > 0 && passes.down > 0) to.end();
    else from.destroy();
  };
  client.on('end', end(client, upstream));
  upstream.on('end', end(upstream, client));
  client.on('close', () => upstream.destroy());

  if (plan.endMs === undefined) return;
  const timer = setTimeout(() => {
    met();
    gone = true;
    upstream.destroy();
    if (plan.end !== 'half-open') client.destroy();
  }, plan.endMs);
  client.on('close', () => clearTimeout(timer));
}

/** A reserved bit is set, as by a box that believes that it knows compression. */
function damaged(frame) {
  const copy = Buffer.from(frame);
  copy[0] |= 0x40;
  return copy;
}

/** Cuts a stream of bytes into frames, each with its head. */
export class FrameReader {
  #bytes = Buffer.alloc(0);

  /** The frames that these bytes complete. */
  read(bytes) {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    const frames = [];
    for (let size = frameSize(this.#bytes); size <= this.#bytes.length; size = frameSize(this.#bytes)) {
      frames.push(this.#bytes.subarray(0, size));
      this.#bytes = this.#bytes.subarray(size);
    }
    return frames;
  }
}

/** Bytes of the frame that begins there; infinite while its head is not whole. */
function frameSize(bytes) {
  const { head, length } = frameHead(bytes);
  return head + length;
}

function frameHead(bytes) {
  if (bytes.length < 2) return { head: Infinity, length: 0 };
  const masked = bytes[1] & 0x80 ? 4 : 0;
  const short = bytes[1] & 0x7f;
  const extended = { 126: 2, 127: 8 }[short] ?? 0;
  if (bytes.length < 2 + extended) return { head: Infinity, length: 0 };
  const length = extended === 2 ? bytes.readUInt16BE(2) : extended === 8 ? Number(bytes.readBigUInt64BE(2)) : short;
  return { head: 2 + extended + masked, length };
}

/** What a whole frame carries: `{ opcode, reserved, text }`, unmasked. */
export function frameContent(frame) {
  const { head } = frameHead(frame);
  const content = Buffer.from(frame.subarray(head));
  if (frame[1] & 0x80) for (let i = 0; i < content.length; i += 1) content[i] ^= frame[head - 4 + (i % 4)];
  return { opcode: frame[0] & 0x0f, reserved: (frame[0] >> 4) & 7, text: content.toString() };
}

/** A frame of text, as a client sends it (masked) or a server. */
export function textFrame(text, masked) {
  const content = Buffer.from(text);
  const size = content.length;
  const bytes = size < 126 ? [size] : [126, size >> 8, size & 0xff];
  if (!masked) return Buffer.concat([Buffer.from([0x81, ...bytes]), content]);
  bytes[0] |= 0x80;
  const mask = [0x12, 0x34, 0x56, 0x78];
  return Buffer.concat([Buffer.from([0x81, ...bytes, ...mask]), content.map((byte, i) => byte ^ mask[i % 4])]);
}
