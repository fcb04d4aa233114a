// What a Socket.IO packet is, whatever it is written in.

export const protocol = 5;

export const PacketType = { CONNECT: 0, DISCONNECT: 1, EVENT: 2, ACK: 3, CONNECT_ERROR: 4, BINARY_EVENT: 5, BINARY_ACK: 6 };

/** Names of events that only the library itself may fire. */
export const RESERVED = ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'];

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

function isEvent(data) {
  return Array.isArray(data) && (typeof data[0] === 'number' || (typeof data[0] === 'string' && !RESERVED.includes(data[0])));
}

/** Whether a packet of that type may carry this. */
export function isValid(type, data) {
  switch (type) {
    case PacketType.CONNECT:
      return data === undefined || isObject(data);
    case PacketType.DISCONNECT:
      return data === undefined;
    case PacketType.CONNECT_ERROR:
      return typeof data === 'string' || isObject(data);
    case PacketType.EVENT:
    case PacketType.BINARY_EVENT:
      return isEvent(data);
    default:
      return Array.isArray(data);
  }
}
