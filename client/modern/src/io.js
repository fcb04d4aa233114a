// `io(…)`: sockets of one server share a connection.

import { engineOf } from './engine/engine.js';
import { managerOf } from './manager.js';
import { protocol } from './parser/packet.js';
import { Socket } from './socket.js';
import { url } from './url.js';

export { protocol, Socket };

/** Makes the library of what a platform has, and the parser that is used unless options name another. */
export function library(platform, parser) {
  const Engine = engineOf(platform);
  const Manager = managerOf(Engine, parser);
  /** Managers that may be shared, by their server's address. */
  const shared = {};

  function io(address, opts) {
    if (address && typeof address === 'object' && !(address instanceof URL)) {
      opts = address;
      address = undefined;
    }
    opts = { ...opts };
    const { id, source, path, query } = url(address, opts.path || '/socket.io');
    if (query && !opts.query) opts.query = query;
    const alone = opts.forceNew || opts['force new connection'] || opts.multiplex === false || (shared[id] && path in shared[id].nsps);
    if (alone) return new Manager(source, opts).socket(path, opts);
    shared[id] = shared[id] || new Manager(source, opts);
    return shared[id].socket(path, opts);
  }

  Object.assign(io, { io, connect: io, Manager, Socket, Engine, protocol });
  return { io, Manager };
}
