// socket.io.node.mjs and socket.io.node.cjs

import { Fetch } from '../engine/fetch.js';
import { library, protocol, Socket } from '../io.js';
import * as json from '../parser/json.js';
import { NodePolling } from './polling.js';
import { hasWebSocket, NodeWebSocket } from './websocket.js';

const transports = hasWebSocket ? { polling: NodePolling, websocket: NodeWebSocket } : { polling: NodePolling };
const { io, Manager } = library({ transports, binaryType: 'nodebuffer' }, json);

export { io, io as connect, io as default, Manager, Socket, protocol, Fetch, NodePolling as XHR, NodePolling as NodeXHR, NodeWebSocket, NodeWebSocket as WebSocket };
