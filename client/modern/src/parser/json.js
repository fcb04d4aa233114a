// Socket.IO packets as text, with attachments: the parser that every server has.

import { Emitter } from '../emitter.js';
import { isBinary } from '../bytes.js';
import { hasBinary, restore, stringify } from './binary.js';
import { isValid, PacketType, protocol } from './packet.js';

export { PacketType, protocol };

/** Attachments of one packet. */
const MOST = 1000;

export class Encoder {
  /** The Engine.IO messages of a packet: text, then its attachments. */
  encode({ type, nsp, id, data }) {
    const attachments = [];
    const binary = (type === PacketType.EVENT || type === PacketType.ACK) && hasBinary(data);
    const json = data === undefined ? '' : binary ? stringify(data, attachments) : JSON.stringify(data);
    const head = binary ? `${type + PacketType.BINARY_EVENT - PacketType.EVENT}${attachments.length}-` : type;
    return [`${head}${nsp && nsp !== '/' ? `${nsp},` : ''}${id === undefined ? '' : id}${json}`, ...attachments];
  }
}

/** Type; number of attachments; namespace; id; JSON. */
const PACKET = /^([0-6])(?:(\d+)-)?(?:(\/[^,]*)(?:,|$))?(\d+)?([^]*)$/;

/** Fires `decoded` for each packet. `add` throws if the server sent no packet. */
export class Decoder extends Emitter {
  add(message) {
    if (typeof message === 'string') this._text(message);
    else if (isBinary(message)) this._attachment(message);
    else throw new Error('a message is text or bytes');
  }

  destroy() {
    this._waiting = undefined;
  }

  _text(text) {
    if (this._waiting) throw new Error('text where an attachment is due');
    const packet = decode(text);
    if (packet.attachments) this._waiting = { packet, attachments: [] };
    else this.fire('decoded', packet);
  }

  _attachment(bytes) {
    if (!this._waiting) throw new Error('an attachment of no packet');
    const { packet, attachments } = this._waiting;
    attachments.push(bytes);
    if (attachments.length < packet.attachments) return;
    this._waiting = undefined;
    restore(packet.data, attachments);
    this.fire('decoded', packet);
  }
}

function decode(text) {
  const [, digit, count, nsp = '/', id, json] = PACKET.exec(text) || [];
  const type = Number(digit);
  const binary = type >= PacketType.BINARY_EVENT;
  if (digit === undefined) throw new Error(`no packet: ${text.slice(0, 40)}`);
  if (binary !== (count !== undefined) || Number(count) > MOST) throw new Error(`attachments: ${text.slice(0, 40)}`);
  const packet = { type, nsp, data: json ? JSON.parse(json) : undefined };
  if (id !== undefined) packet.id = Number(id);
  if (!isValid(type, packet.data)) throw new Error(`not what a packet of type ${type} carries`);
  if (binary) packet.attachments = Number(count);
  return packet;
}
