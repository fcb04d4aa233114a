// What the operator has set, and what happens to the server.

export const SERVER = {
  'max-sessions': {
    what: 'as many sessions as may be',
    server: ['--max-sessions', '1'],
    crowd: { polling: 1 },
    proof: { plain: 503, upgrade: 503, text: /sessions are taken/ },
  },
  'max-sessions-per-address': {
    what: 'as many sessions of this address as may be',
    server: ['--max-sessions-per-address', '1'],
    crowd: { polling: 1 },
    proof: { plain: 429, upgrade: 429, text: /sessions from this address/ },
  },
  'max-websockets': {
    what: 'as many WebSockets as may be',
    server: ['--max-websockets', '1'],
    crowd: { websocket: 1 },
    proof: { plain: 200, upgrade: 503, text: /WebSockets are taken/, offered: [] },
  },
  'handshake-rate': {
    what: 'more handshakes of this address than may be',
    server: ['--handshake-rate', '1'],
    crowd: { polling: 10 },
    proof: { plain: 429, upgrade: 429, text: /too many handshakes/ },
  },
  'breaker-open': {
    what: 'WebSockets of this network carried nothing, so none is offered',
    server: ['--breaker-failures', '2', '--upgrade-timeout', '1s'],
    crowd: { dead: 2 },
    proof: { plain: 200, offered: [] },
  },
  'origin-refused': {
    what: 'the page is not one of `origins`',
    server: ['--origins', 'https://other.example'],
    proof: { origin: 'http://here.example', plain: 403, upgrade: 400, text: /origin/ },
  },
  'scheme-refused': {
    what: 'a page of https, and the server believes that it is asked by http',
    server: ['--match-origin-protocol', 'true'],
    tls: {},
    way: {},
    proof: { origin: 'https://here.example', plain: 403, upgrade: 400, text: /https/ },
  },
  rule: {
    what: 'a rule allows this browser polling alone',
    settings: '[[rules]]\nname = "office"\nagents = ["*"]\ntransports = ["xhr-polling"]\n',
    proof: { plain: 200, upgrade: 400, text: /office|not allowed/, offered: [] },
  },
  'transport-not-allowed': {
    what: 'WebSockets are not allowed',
    server: ['--transports', 'xhr-polling'],
    proof: { plain: 200, upgrade: 400, text: /Transport unknown/, offered: [] },
  },
  'websocket-only-behind-a-box': {
    what: 'nothing but WebSockets is allowed, and a box answers these with 403',
    server: ['--transports', 'websocket'],
    way: { answer: 403 },
    proof: { plain: 400, upgrade: 403 },
  },
  'policy-changed': {
    what: 'WebSockets are not allowed any more, while one is open',
    act: { policy: 'transports = ["xhr-polling"]' },
    proof: { after: { webSocket: 'closed', upgrade: 400 } },
  },
  'server-restarted': {
    what: 'the server is stopped and started again',
    act: { restart: 'SIGTERM' },
    proof: { after: { webSocket: 'closed', session: 'unknown' } },
  },
  'server-killed': {
    what: 'the server crashes and is started again',
    act: { restart: 'SIGKILL' },
    proof: { after: { webSocket: 'closed', session: 'unknown' } },
  },
  'server-gone': {
    what: 'the server is stopped and stays so',
    act: { stop: 'SIGTERM' },
    proof: { after: { webSocket: 'closed', plain: 'ECONNREFUSED' } },
  },
  'server-stopped': {
    what: 'the server stands still: its port takes connections, and nobody answers',
    act: { pause: true },
    proof: { after: { plain: 'silent' } },
  },
  'server-overloaded': {
    what: 'the server gets a twentieth of a processor',
    act: { throttle: { runMs: 25, stopMs: 475 } },
    proof: { after: { slow: 100 } },
  },
  'slow-reader': {
    what: 'a client takes less than the room says',
    server: ['--queue-bytes', '64KiB'],
    link: { bytesPerSecond: 2000 },
    act: { flood: { bytes: 30_000, messages: 200 } },
    proof: { after: { reader: 'reset' } },
  },
  'max-connections': {
    what: 'as many connections as may be',
    server: ['--max-connections', '20', '--trusted-proxies', 'loopback', '--header-timeout', '2m'],
    crowd: { connections: 20 },
    proof: { plain: 503, upgrade: 503, text: /connections are taken/ },
  },
  'max-connections-per-address': {
    what: 'as many connections of this address as may be',
    server: ['--max-connections-per-address', '20', '--header-timeout', '2m'],
    crowd: { connections: 20 },
    proof: { plain: 503, upgrade: 503, text: /as many connections as it may/ },
  },
  'file-limit': {
    what: 'the system gives the server no more open files',
    act: { files: 0 },
    proof: { after: { plain: 'silent' } },
  },
};
