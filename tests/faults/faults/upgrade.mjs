// Faults that only WebSockets meet: polling works all the while.

const STATUSES = [400, 403, 404, 407, 426, 500, 502, 503, 504];

/** A box that answers upgrade requests itself. */
const answered = (status) => [`upgrade-${status}`, { what: `a box answers upgrades with ${status}`, way: { answer: status }, proof: { plain: 200, upgrade: status } }];

export const UPGRADE = {
  'upgrade-header-dropped': {
    what: 'a proxy drops the Upgrade header',
    way: { drop: ['Upgrade'] },
    proof: { plain: 200, upgrade: 400, arrives: { upgrade: undefined, connection: 'Upgrade' } },
  },
  'connection-header-stripped': {
    what: 'a proxy writes its own Connection header and leaves Upgrade',
    way: { set: { Connection: 'keep-alive' } },
    proof: { plain: 200, upgrade: 400, arrives: { upgrade: 'websocket', connection: 'keep-alive' } },
  },
  http10: {
    what: 'a proxy speaks HTTP/1.0 to the server',
    way: { version: '1.0' },
    proof: { plain: 200, upgrade: 400, arrives: { version: '1.0', upgrade: 'websocket' } },
  },
  'key-dropped': {
    what: 'a box drops Sec-WebSocket-Key',
    way: { drop: ['Sec-WebSocket-Key'] },
    proof: { plain: 200, arrives: { upgrade: 'websocket', 'sec-websocket-key': undefined }, upgrade: 101 },
  },
  'nginx-without-upgrade-lines': {
    what: 'nginx as it is without the lines for Upgrade',
    nginx: 'location / { proxy_pass http://parlance; proxy_http_version 1.0; proxy_set_header Upgrade ""; proxy_set_header Connection close; }',
    proof: { plain: 200, upgrade: 400, arrives: { version: '1.0', upgrade: undefined, connection: 'close' } },
  },
  ...Object.fromEntries(STATUSES.map(answered)),
  'upgrade-redirected': {
    what: 'a box redirects upgrades to a page where one signs in',
    way: { answer: 302 },
    proof: { plain: 200, upgrade: 302 },
  },
  'upgrade-sign-in-page': {
    what: 'a box answers upgrades with a page where one signs in',
    way: { answer: 200 },
    proof: { plain: 200, upgrade: 200, text: /Sign in/ },
  },
  'upgrade-reset': {
    what: 'a firewall resets the connection of an upgrade',
    way: { reset: true },
    proof: { plain: 200, upgrade: 'reset' },
  },
  'upgrade-hangs': {
    what: 'an upgrade is never answered',
    way: { hang: true },
    proof: { plain: 200, upgrade: 'silent' },
  },
  'wrong-accept': {
    what: 'a box answers 101 with a wrong Sec-WebSocket-Accept',
    way: { reply: { set: { 'Sec-WebSocket-Accept': 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=' } } },
    proof: { plain: 200, upgrade: 101, headers: { 'sec-websocket-accept': 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=' } },
  },
  'subprotocol-stripped': {
    what: 'a proxy drops the subprotocol that the client asks for',
    way: { drop: ['Sec-WebSocket-Protocol'], reply: { drop: ['Sec-WebSocket-Protocol'] } },
    proof: { plain: 200, upgrade: 101, arrives: { 'sec-websocket-protocol': undefined }, headers: { 'sec-websocket-protocol': undefined } },
  },
  'killed-after-20ms': {
    what: 'a WebSocket is cut 20 ms after the 101',
    way: { frames: { endMs: 20 } },
    proof: { plain: 200, frames: { lasts: true } },
  },
  'killed-after-5s': {
    what: 'a WebSocket is cut 5 s after the 101',
    way: { frames: { endMs: 5000 } },
    proof: { plain: 200, frames: { lasts: true } },
  },
  'killed-after-30s': {
    what: 'a WebSocket is cut 30 s after the 101',
    way: { frames: { endMs: 30_000 } },
    proof: { plain: 200, frames: { lasts: true } },
  },
  'frames-down-swallowed': {
    what: 'WebSocket frames of the server never arrive',
    way: { frames: { down: 0 } },
    proof: { plain: 200, frames: { up: 3, down: 0 } },
  },
  'frames-up-swallowed': {
    what: 'WebSocket frames of the client never arrive',
    way: { frames: { up: 0 } },
    proof: { plain: 200, frames: { up: 0, down: 3 } },
  },
  'swallowed-after-probe': {
    what: 'one WebSocket frame passes each way, and nothing after it',
    way: { frames: { up: 1, down: 1 } },
    proof: { plain: 200, frames: { up: 1, down: 1 } },
  },
  'swallowed-after-upgrade': {
    what: 'the frame that ends the upgrade passes, and nothing after it',
    way: { frames: { up: 2, down: 1 } },
    proof: { plain: 200, frames: { up: 2, down: 1 } },
  },
  'frames-mangled': {
    what: 'a box damages the heads of WebSocket frames',
    way: { frames: { mangle: true } },
    proof: { plain: 200, frames: { up: 3, down: 3, reserved: 4 } },
  },
  'half-open': {
    what: 'the far end of a WebSocket is gone, and the near end stays open',
    way: { frames: { endMs: 3000, end: 'half-open' } },
    proof: { plain: 200, frames: { halfOpen: true } },
  },
};
