// What browsers have, and everything else with fetch and WebSocket.

import { Fetch } from './engine/fetch.js';
import { WS } from './engine/websocket.js';
import { XHR } from './engine/xhr.js';

const polling = typeof XMLHttpRequest === 'function' ? XHR : Fetch;

export const web = {
  transports: typeof WebSocket === 'function' ? { polling, websocket: WS } : { polling },
  binaryType: 'arraybuffer',
};

export { Fetch, WS, XHR };
