// WebSocket: a packet is a message. How the connection is made is for those that extend this.

import { isBinary } from '../bytes.js';
import { soon } from '../timers.js';
import { decodePacket, encodeText } from './packets.js';
import { Transport } from './transport.js';

export class WS extends Transport {
  get name() {
    return 'websocket';
  }

  /** Makes the connection. */
  connect(url, protocols) {
    return protocols ? new WebSocket(url, protocols) : new WebSocket(url);
  }

  doOpen() {
    const url = this.address('ws', this.opts.timestampRequests);
    try {
      this.ws = this.connect(url, this.opts.protocols);
    } catch (error) {
      soon(() => this.onError('websocket error', error));
      return;
    }
    this.ws.binaryType = 'arraybuffer';
    this.ws.onopen = () => this.onOpen();
    this.ws.onmessage = ({ data }) => this.onPacket(decodePacket(data, this.engine.binaryType));
    this.ws.onclose = (context) => this.onClose({ description: 'websocket connection closed', context });
    this.ws.onerror = (error) => this.onError('websocket error', error, this.ws);
  }

  write(packets) {
    this.writable = false;
    const messages = packets.map((packet) => this.message(packet));
    const send = (ready) => {
      ready.forEach((message, n) => this._send(message, packets[n]));
      soon(() => this.readyState === 'open' && this.onDrain());
    };
    if (messages.some((message) => message instanceof Promise)) Promise.all(messages).then(send);
    else send(messages);
  }

  /** What is sent for a packet, or a promise of it. */
  message(packet) {
    return this.supportsBinary && isBinary(packet.data) ? packet.data : encodeText(packet);
  }

  /** Gives a message to the connection. */
  give(message) {
    this.ws.send(message);
  }

  _send(message, packet) {
    try {
      this.give(message, packet);
    } catch (_) {
      // It is closing: `onclose` tells.
    }
  }

  doClose() {
    if (!this.ws) return;
    this.ws.onopen = this.ws.onmessage = this.ws.onclose = null;
    this.ws.onerror = () => {};
    this.ws.close();
    this.ws = undefined;
  }
}
