// Faults that sit in the browser, or in how a page is made.

export const BROWSER = {
  'mixed-content': {
    what: 'a page of https asks a server of http',
    browser: { from: 'https' },
    proof: { page: { webSocket: 'SecurityError', request: 'refused' } },
  },
  'no-websocket-in-browser': {
    what: 'the browser has no WebSocket',
    browser: { without: ['WebSocket'] },
    proof: { page: { webSocket: 'TypeError', request: 200 } },
  },
  'clock-skew': {
    what: 'the clock of the browser is a day behind',
    browser: { clockMs: -86_400_000 },
    harmless: 'nothing compares the clocks of two machines',
    proof: { page: { webSocket: 'open', request: 200, clockMs: -86_400_000 } },
  },
  offline: {
    what: 'the browser is offline',
    browser: { offline: true },
    proof: { page: { webSocket: 'closed', request: 'refused' } },
  },
};
