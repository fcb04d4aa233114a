// WebSocket in Node: by the package `ws` if it is installed, else by Node's own, which it has since 22.

import { createRequire } from 'node:module';
import { isBinary, toBytes } from '../bytes.js';
import { WS } from '../engine/websocket.js';
import { headersOf, nodeOptions } from './options.js';

function installed() {
  try {
    return createRequire(import.meta.url)('ws');
  } catch (_) {
    return undefined;
  }
}

const Package = installed();

/** Messages of fewer bytes are not compressed, unless `perMessageDeflate` has a threshold. */
const SMALL = 1024;

/** Whether there is one. */
export const hasWebSocket = Boolean(Package) || typeof WebSocket === 'function';

export class NodeWebSocket extends WS {
  connect(url, protocols = []) {
    const headers = headersOf(this);
    // Not by the package, the options of TLS and `agent` do not apply.
    if (!Package) return new WebSocket(url, { protocols, headers });
    const { perMessageDeflate = false } = this.opts;
    const ws = new Package(url, protocols, { headers, perMessageDeflate, ...nodeOptions(this.opts) });
    if (this.opts.autoUnref) ws.on('upgrade', ({ socket }) => socket.unref());
    return ws;
  }

  /** The package compresses all messages unless it is told, however small. */
  give(message, { options }) {
    if (!Package) return super.give(message);
    const { perMessageDeflate } = this.opts;
    const { threshold = SMALL } = perMessageDeflate || {};
    const compress = Boolean(perMessageDeflate && options && options.compress && Buffer.byteLength(message) >= threshold);
    return this.ws.send(message, { compress });
  }

  message(packet) {
    const { data } = packet;
    // A blob is read here: the package takes none.
    if (this.supportsBinary && isBinary(data) && !ArrayBuffer.isView(data) && !(data instanceof ArrayBuffer)) return toBytes(data);
    return super.message(packet);
  }
}
