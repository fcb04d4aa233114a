// Encodes and decodes the packets of Socket.IO 5.

// Packet types. The binary forms of EVENT and ACK are 5 and 6 on the wire.
var CONNECT = 0, DISCONNECT = 1, EVENT = 2, ACK = 3, CONNECT_ERROR = 4;

// Returns the packet's Engine.IO frames: its text, then its binary parts.
function encode(type, nsp, data, id) {
  var found = [];
  if (Bytes && type > 1) data = takeBinary(data, found);
  return [
    '4' + (found.length ? type + 3 + '' + found.length + '-' : type) +
    (nsp === '/' ? '' : nsp + ',') + (id >= 0 ? id : '') + (data ? stringifyJson(data) : '')
  ].concat(found);
}

// Returns the packet that the text begins. `needed` is the number of binary parts that follow; the
// manager collects them in `found`.
function decode(text) {
  var match = /^([0-6])(?:(\d+)-)?(\/[^,]*)?,?(\d*)/.exec(text), packet, rest;
  if (!match) throw garbledError();
  rest = text.slice(match[0].length);
  packet = {
    type: +match[1], nsp: match[3] || '/', id: match[4], data: rest ? parseJson(rest) : '',
    found: []
  };
  if (packet.type > 4) {
    packet.type -= 3;
    packet.needed = +match[2];
  }
  if ((packet.type === EVENT || packet.type === ACK) && classOf(packet.data) !== 'Array') {
    throw garbledError();
  }
  return packet;
}
