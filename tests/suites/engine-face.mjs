// The engine of our modern client by the names of engine.io-client. Applications of Socket.IO have it as `io.Engine`, and
// reach its transports through it; engine.io-client gives them out to be used alone, too.

import { engineOf } from '../../client/modern/src/engine/engine.js';
import { Fetch as Fetching } from '../../client/modern/src/engine/fetch.js';
import { Transport } from '../../client/modern/src/engine/transport.js';
import { NodePolling } from '../../client/modern/src/node/polling.js';
import { NodeWebSocket as Socketed } from '../../client/modern/src/node/websocket.js';
import { Timers } from '../../client/modern/src/timers.js';

const binaryType = 'nodebuffer';

/** A transport that can be made of options alone, and tells its address. */
const alone = (kind, scheme) =>
  class extends kind {
    constructor(engine, opts) {
      if (opts) super(engine, opts);
      else super({ binaryType, timers: new Timers(engine) }, engine);
    }

    uri() {
      return this.address(scheme, this.opts.timestampRequests);
    }
  };

const NodeXHR = alone(NodePolling, 'http');
const Fetch = alone(Fetching, 'http');
const NodeWebSocket = alone(Socketed, 'ws');
const transports = { polling: NodeXHR, websocket: NodeWebSocket };
const Engine = engineOf({ transports, binaryType });
const { protocol } = Engine;

class Socket extends Engine {
  constructor(address, opts) {
    if (typeof address === 'object') super(undefined, address);
    else super(address, opts);
  }

  _open() {
    this.open();
  }

  open() {
    super._open();
  }
}

export { Fetch, NodeWebSocket, NodeXHR, protocol, Socket, Transport, transports, NodeWebSocket as WebSocket, NodeXHR as XHR };
