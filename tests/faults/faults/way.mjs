// Faults that all requests meet, or all connections.

const STATUSES = [400, 403, 404, 407, 426, 500, 502, 503, 504];

/** A box that answers everything itself, once the page is there. */
const answered = (status) => [`everything-${status}`, { what: `a box answers everything with ${status}`, way: { to: 'everything', answer: status }, proof: { plain: status, upgrade: status } }];

/** A line that forgets connections. */
const silence = (seconds, then) => ({ link: { silenceMs: seconds * 1000, then }, proof: { silence: then } });

export const WAY = {
  ...Object.fromEntries(STATUSES.map(answered)),
  'everything-redirected': {
    what: 'a box redirects everything to a page where one signs in',
    way: { to: 'everything', answer: 302 },
    proof: { plain: 302, upgrade: 302 },
  },
  'everything-sign-in-page': {
    what: 'a box answers everything with a page where one signs in',
    way: { to: 'everything', answer: 200 },
    proof: { plain: 200, upgrade: 200, text: /Sign in/ },
  },
  'cut-after-silence-5s': { what: 'a firewall resets connections that are silent for 5 s', ...silence(5, 'cut') },
  'cut-after-silence-30s': { what: 'a firewall resets connections that are silent for 30 s', ...silence(30, 'cut') },
  'cut-after-silence-60s': { what: 'a firewall resets connections that are silent for 60 s', ...silence(60, 'cut') },
  'black-hole-after-silence': { what: 'a firewall forgets connections that are silent for 5 s, and tells nobody', ...silence(5, 'hole') },
  'buffered-until-end': {
    what: 'a proxy keeps an answer until it has ended',
    way: { to: 'plain', body: 'until-end' },
    proof: { upgrade: 101, stream: { comes: 'at the end' } },
  },
  'buffered-until-4kB': {
    what: 'a proxy keeps an answer until it has 4 kB of it',
    way: { to: 'plain', body: 'until-4096' },
    proof: { upgrade: 101, stream: { comes: 'in blocks' } },
  },
  'gzip-buffers': {
    what: 'a proxy compresses answers, and keeps them meanwhile',
    way: { to: 'plain', body: 'gzip' },
    proof: { upgrade: 101, stream: { comes: 'at the end', encoding: 'gzip' } },
  },
  'pieces-coalesced': {
    what: 'a proxy puts pieces that are close together into one',
    way: { to: 'plain', body: 'coalesced' },
    harmless: 'pieces come late by 20 ms, and together',
    proof: { upgrade: 101, stream: { comes: 'together' } },
  },
  'buffered-and-no-websocket': {
    what: 'a proxy keeps answers until they have ended, and drops the Upgrade header',
    way: { to: 'engine', body: 'until-end', drop: ['Upgrade'] },
    proof: { upgrade: 400, stream: { comes: 'at the end' } },
  },
  'body-limit-1kB': {
    what: 'a proxy takes request bodies of up to 1 kB',
    way: { to: 'engine', bodyMax: 1000 },
    proof: { upgrade: 101, posts: { 100: 200, 2000: 413 } },
  },
  'rate-limit': {
    what: 'a proxy takes a few requests per second, and answers 429 to the others',
    way: { to: 'engine', perSecond: 3 },
    proof: { statuses: [200, 200, 200, 429, 429] },
  },
  'latency-2s': {
    what: 'each byte takes a second, each way',
    link: { delayMs: 1000 },
    proof: { takes: { roundTrips: 2 } },
  },
  'slow-6kBps': {
    what: '6 kB pass per second',
    link: { bytesPerSecond: 6000 },
    proof: { takes: { bytes: 3000, ms: 500 } },
  },
  'jitter-and-loss': {
    what: 'each piece takes up to 100 ms, and every twentieth waits as after a lost packet',
    link: { jitterMs: 100, stallMs: 400, stallShare: 0.05 },
    harmless: 'all arrives, in order',
    proof: { upgrade: 101, ordered: 40 },
  },
  'two-instances': {
    what: 'a balancer hands the requests of one session to two servers',
    way: { to: 'engine' },
    instances: 2,
    proof: { instances: 2 },
  },
  'wrong-path': {
    what: 'a proxy changes the path, so that the engine is not found',
    way: { to: 'engine', rewrite: ['/socket.io/', '/chat/io/'] },
    proof: { plain: 404, upgrade: 404, arrives: { path: /^\/chat\/io\// } },
  },
  'certificate-of-another-name': {
    what: 'the certificate is of another name',
    tls: { names: ['DNS:other.example'] },
    way: {},
    proof: { tls: 'ERR_TLS_CERT_ALTNAME_INVALID' },
  },
  'certificate-expired': {
    what: 'the certificate has expired',
    tls: { valid: ['20200101000000Z', '20210101000000Z'] },
    way: {},
    proof: { tls: 'CERT_HAS_EXPIRED' },
  },
  'certificate-not-yet-valid': {
    what: 'the certificate is not valid yet, or the clock of the client is slow',
    tls: { valid: ['20900101000000Z', '20910101000000Z'] },
    way: {},
    proof: { tls: 'CERT_NOT_YET_VALID' },
  },
  'certificate-untrusted': {
    what: 'the certificate is of an authority that nobody knows',
    tls: { unknown: true },
    way: {},
    proof: { tls: 'SELF_SIGNED_CERT_IN_CHAIN' },
  },
  'nginx-read-timeout': {
    what: 'nginx gives up what is silent for 2 s',
    nginx: 'location / { proxy_pass http://parlance; proxy_read_timeout 2s; }',
    proof: { upgrade: 101, given: { poll: 504, webSocket: 'closed', ms: 2000 } },
  },
  'haproxy-tunnel-timeout': {
    what: 'HAProxy gives up WebSockets that are silent for 2 s',
    haproxy: { frontend: 'timeout client 75s\n    default_backend parlance', backend: 'timeout server 75s\n    timeout tunnel 2s' },
    proof: { upgrade: 101, given: { webSocket: 'closed', ms: 2000 } },
  },
  'haproxy-server-timeout': {
    what: 'HAProxy gives up requests that are not answered for 2 s',
    haproxy: { frontend: 'default_backend parlance', backend: 'timeout server 2s\n    timeout tunnel 75s' },
    proof: { upgrade: 101, given: { poll: 504, ms: 2000 } },
  },
};
