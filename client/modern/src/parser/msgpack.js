// Socket.IO packets as MessagePack, as servers with `socket.io-msgpack-parser` write them: one message each.

import { Emitter } from '../emitter.js';
import { isBinary, toBytes } from '../bytes.js';
import { pack } from './pack.js';
import { isValid, PacketType, protocol } from './packet.js';
import { unpack } from './unpack.js';

export { PacketType, protocol };

export class Encoder {
  encode({ type, nsp, id, data }) {
    return [pack({ type, nsp, data, id })];
  }
}

export class Decoder extends Emitter {
  add(message) {
    if (!isBinary(message)) throw new Error('text, but the parser is MessagePack');
    const packet = unpack(toBytes(message));
    const { type, nsp, id } = Object(packet);
    const known = Number.isInteger(type) && type >= PacketType.CONNECT && type <= PacketType.CONNECT_ERROR;
    if (!known || typeof nsp !== 'string' || !(id === undefined || Number.isInteger(id)) || !isValid(type, packet.data)) {
      throw new Error('no packet');
    }
    this.fire('decoded', packet);
  }

  destroy() {}
}
