// socket.io.esm.min.js

import { library, protocol, Socket } from './io.js';
import * as json from './parser/json.js';
import { Fetch, web, WS, XHR } from './web.js';

const { io, Manager } = library(web, json);

export { io, io as connect, io as default, Manager, Socket, protocol, Fetch, XHR, WS as WebSocket };
