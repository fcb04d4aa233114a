// What each surface has to say of each fault: the causes that are true of it, by their names in src/diagnosis/causes.json.
//
// `causes`: one of these has to be named, and none that is not here or in `also`. An empty list: nobody is to be alarmed.
// `except`: surfaces that cannot know, each with what they say instead, and because of what.
// `watch`: how long the page is watched (`ms`, 16 s if nothing is said), with which flags of the server; how many bytes it
// `says`, or that it `chats` all the while. `ask`: options of `parlance diagnose`.

/** The surfaces: the page's panel and banner, its connection test, the server's log, a session's timeline, the command. */
export const SURFACES = ['panel', 'diagnostics', 'log', 'timeline', 'diagnose'];

const PAGES = ['panel', 'diagnostics'];
const SERVER = ['log', 'timeline'];
const OTHERS = ['diagnostics', 'diagnose'];

/** Several surfaces that say the same, and because of what. */
const these = (surfaces, causes, because) => Object.fromEntries(surfaces.map((surface) => [surface, { causes: [causes].flat(), because }]));
const of = (causes, ...rest) => ({ causes: [causes].flat(), ...Object.assign({}, ...rest) });
const except = (...tables) => ({ except: Object.assign({}, ...tables) });
const ask = (...options) => ({ ask: options });
const calm = (...rest) => of([], ...rest);

const NO_STATUS = 'a browser tells no page how an upgrade was answered, and the request did not reach the server';
const unseen = except(these([...PAGES, ...SERVER], 'upgrade-blocked', NO_STATUS));

const NOTHING_ARRIVES = 'no request reaches the server';
const before = except(these(SERVER, [], NOTHING_ARRIVES));

const GONE = 'no answer comes, whatever the reason is';
const OVER = 'a test that begins later meets nothing of it';
const passing = except(these(OTHERS, [], OVER));

const NO_PAGE = 'the browser shows a page of its own and not this one';
const outside = except(these([...PAGES, ...SERVER], [], NO_PAGE));

const ON_WEBSOCKET = 'the session is on a WebSocket, which the fault leaves alone';
const onlyTests = except(these(['panel', ...SERVER], [], ON_WEBSOCKET));

const TOO_SHORT = 'the test does not last as long';
/** It refuses these as well. */
const WEBSOCKETS_TOO = { also: ['proxy-cannot-upgrade'] };
/** What is known before it has happened again. */
const ONCE = { also: ['cut'] };
/** Heartbeats that come and go while one waits. */
const QUICK = ['--ping-interval', '4s', '--ping-timeout', '3s'];

export const EXPECTATIONS = {
  'upgrade-header-dropped': of('upgrade-header-dropped'),
  'connection-header-stripped': of('connection-header-dropped'),
  http10: of('proxy-http10'),
  'key-dropped': of('upgrade-request-changed'),
  'nginx-without-upgrade-lines': of(['upgrade-header-dropped', 'proxy-http10']),
  'upgrade-400': of('proxy-cannot-upgrade', unseen),
  'upgrade-403': of('proxy-forbids', unseen),
  'upgrade-404': of('proxy-not-routed', unseen),
  'upgrade-407': of('proxy-login', unseen),
  'upgrade-426': of('proxy-cannot-upgrade', unseen),
  'upgrade-500': of('proxy-cannot-upgrade', unseen),
  'upgrade-502': of('proxy-cannot-upgrade', unseen),
  'upgrade-503': of('proxy-cannot-upgrade', unseen),
  'upgrade-504': of('proxy-cannot-upgrade', unseen),
  'upgrade-redirected': of('redirected', unseen),
  'upgrade-sign-in-page': of('sign-in-page', unseen),
  'upgrade-reset': of('upgrade-blocked'),
  'upgrade-hangs': of('upgrade-hangs', except(these(SERVER, ['not-tried', 'upgrade-blocked', 'upgrade-hangs'], 'without the page the server sees that no request came, and not why'))),
  'wrong-accept': of('accept-changed'),
  'subprotocol-stripped': of('accept-changed', except(these([...PAGES, ...SERVER], [], 'the page asks for no subprotocol'), these(['diagnose'], [], 'it asks for none'))),
  'killed-after-20ms': of(['cut-after-open', 'time-limit'], ONCE),
  'killed-after-5s': of(['time-limit', 'cut'], { watch: { ms: 25_000, chats: true } }),
  'killed-after-30s': of(['time-limit', 'cut'], except(these(OTHERS, [], TOO_SHORT)), { watch: { ms: 70_000, chats: true } }),
  'frames-down-swallowed': of(['frames-down-lost', 'frames-lost']),
  'frames-up-swallowed': of(['frames-up-lost', 'frames-lost']),
  'swallowed-after-probe': of(['frames-lost', 'frames-up-lost', 'frames-down-lost'], { watch: { ms: 20_000 } }),
  'swallowed-after-upgrade': of(['frames-lost', 'frames-up-lost', 'frames-down-lost'], { watch: { ms: 20_000 } }),
  'frames-mangled': of('frames-changed'),
  'half-open': of(['half-open', 'fell-silent'], { watch: { ms: 20_000, server: QUICK, chats: true } }, except(these(SERVER, ['half-open', 'fell-silent', 'cut', 'time-limit'], 'until the page is back, the server sees a connection that has ended, each time after 3 s'))),

  'everything-400': of('proxy-error', before, WEBSOCKETS_TOO),
  'everything-403': of('proxy-forbids', before),
  'everything-404': of('proxy-not-routed', before),
  'everything-407': of('proxy-login', except(these(SERVER, [], NOTHING_ARRIVES), these(PAGES, ['proxy-login', 'unreachable'], 'Chromium keeps a 407 from pages: for them there is no answer'))),
  'everything-426': of('proxy-error', before, WEBSOCKETS_TOO),
  'everything-500': of('proxy-error', before, WEBSOCKETS_TOO),
  'everything-502': of('server-unreachable', before),
  'everything-503': of('server-unreachable', before),
  'everything-504': of('server-unreachable', before),
  'everything-redirected': of(['sign-in-page', 'redirected'], except(these(SERVER, [], NOTHING_ARRIVES), these(PAGES, ['sign-in-page', 'redirected', 'unreachable'], 'a browser tells no page of a redirect to another host'))),
  'everything-sign-in-page': of('sign-in-page', before),
  // an open panel measures about as often as that, so that not each silence is long enough
  'cut-after-silence-5s': of('idle-timeout', ONCE, ask('--idle', '12'), { watch: { ms: 90_000 } }),
  'cut-after-silence-30s': of('idle-timeout', ask('--idle', '40'), except(these(['panel', ...SERVER], [], 'heartbeats come more often'), these(['diagnostics'], [], TOO_SHORT)), { watch: { ms: 60_000 } }),
  'cut-after-silence-60s': of('idle-timeout', ask('--idle', '75'), except(these(['panel', ...SERVER], [], 'heartbeats come more often'), these(['diagnostics'], [], TOO_SHORT), these(['diagnose'], [], 'no server keeps a session that is silent for longer than its heartbeat, which comes sooner: how long that is, is told')), { watch: { ms: 70_000 } }),
  'black-hole-after-silence': of(['fell-silent', 'idle-timeout'], ask('--idle', '12'), { watch: { ms: 90_000, server: ['--ping-interval', '8s', '--ping-timeout', '4s'] } }),
  'buffered-until-end': of('stream-buffered', onlyTests),
  'buffered-until-4kB': of('stream-buffered', onlyTests),
  'gzip-buffers': of('stream-buffered', onlyTests),
  'pieces-coalesced': calm(),
  'buffered-and-no-websocket': of(['upgrade-header-dropped', 'stream-buffered'], { watch: { ms: 30_000 } }),
  'body-limit-1kB': of('body-limit', { also: ['transport-not-allowed'] }, { watch: { says: 5000, server: ['--transports', 'xhr-polling'] } }),
  'rate-limit': of('proxy-rate-limit', { also: ['transport-not-allowed', 'upgrade-blocked'] }, except(these(SERVER, [], 'what is refused does not arrive'))),
  'latency-2s': of('slow-way', { also: ['slow-way'] }, except(these(['panel', ...SERVER], [], 'it works, only late'))),
  'slow-6kBps': of('slow-way', except(these(['panel', ...SERVER], [], 'what a chat needs gets through'))),
  'jitter-and-loss': calm(),
  'two-instances': of('several-servers', except(these(SERVER, ['several-servers', 'session-forgotten'], 'each server knows only that it was asked for a session that it does not have'))),
  'wrong-path': of(['wrong-path', 'proxy-not-routed'], except(these(SERVER, [], 'no session is there'))),
  'certificate-of-another-name': of('certificate-name', outside),
  'certificate-expired': of('certificate-expired', outside),
  'certificate-not-yet-valid': of('certificate-not-yet-valid', outside),
  'certificate-untrusted': of('certificate-untrusted', outside),
  'nginx-read-timeout': of('idle-timeout', ONCE, ask('--idle', '8'), { watch: { ms: 30_000 } }),
  'haproxy-tunnel-timeout': of('idle-timeout', ONCE, ask('--idle', '8'), { watch: { ms: 30_000 } }),
  'haproxy-server-timeout': of('idle-timeout', ask('--idle', '8'), { also: ['transport-not-allowed', 'cut'], watch: { ms: 25_000, server: ['--transports', 'xhr-polling'] } }),

  'max-sessions': of('server-full'),
  'max-sessions-per-address': of('address-full'),
  'max-websockets': of('websockets-full'),
  'handshake-rate': of('handshake-rate'),
  'breaker-open': of('breaker-open', except(these(['diagnose'], [], 'the breaker is of clients like that browser'))),
  'origin-refused': of('origin-not-allowed', ask('--origin', 'http://here.example')),
  'scheme-refused': of('scheme-mismatch', ask('--origin', 'https://here.example')),
  rule: of('transport-not-allowed'),
  'transport-not-allowed': of('transport-not-allowed'),
  'websocket-only-behind-a-box': of(['proxy-forbids', 'upgrade-blocked'], { also: ['transport-not-allowed'] }, except(these(SERVER, [], 'the page knows that polling is not allowed and asks for none, and the request for the WebSocket does not arrive'))),
  'policy-changed': of('policy-changed', { also: ['transport-not-allowed'] }, except(these(OTHERS, 'transport-not-allowed', 'what was before is not seen by a test that begins later'))),
  'server-restarted': of('server-stopping', { also: ['session-forgotten'] }, except(these(OTHERS, [], OVER))),
  'server-killed': of(['server-stopping', 'cut'], { also: ['session-forgotten'] }, except(these(OTHERS, [], OVER))),
  'server-gone': of(['server-stopping', 'unreachable'], except(these(['diagnostics'], [], OVER), these(['diagnose'], 'unreachable', GONE), these(['log'], [], 'it says in plain words that it stops'), these(['timeline'], [], 'it is gone'))),
  'server-stopped': of(['fell-silent', 'unreachable', 'server-slow'], except(these(SERVER, [], 'it stands still'), these(['diagnostics'], [], OVER), these(['diagnose'], 'unreachable', GONE)), { watch: { ms: 30_000, server: QUICK } }),
  'server-overloaded': of('server-slow', passing, { watch: { ms: 30_000 } }),
  'slow-reader': of('slow-reader', except(these(['panel'], ['slow-reader', 'slow-way'], 'what is on its way keeps coming for minutes, and until then the page sees no end, but answers that do not come'), these(OTHERS, 'slow-way', 'nobody floods the room then, and the way is slow all the same')), { watch: { ms: 60_000 } }),
  'max-connections': of(['connections-full', 'server-unreachable']),
  'max-connections-per-address': of(['connections-full', 'server-unreachable']),
  'file-limit': of(['unreachable', 'connections-full'], except(these(['panel', 'timeline'], [], 'a session that is there goes on'), these(['diagnostics'], [], OVER))),

  'mixed-content': of('mixed-content', except(these([...OTHERS, ...SERVER], [], 'the pages of the server ask it by their own scheme'))),
  'no-websocket-in-browser': of('browser-cannot', except(these(['diagnose'], [], 'it is no browser'))),
  'clock-skew': calm(),
  offline: of('unreachable', except(these(SERVER, [], NOTHING_ARRIVES), these(['diagnose'], [], 'it is not this browser'))),
};
