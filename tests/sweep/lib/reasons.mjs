// Why some versions cannot do all, where it is known. Any other failure is shown in the table with its own words.

/** `place` and `wires` are left out where it is the same everywhere. `steps` are those that may fail for this reason. */
const REASONS = [
  {
    versions: /^0\.7\.[0-4]$/,
    place: 'node',
    steps: ['connect'],
    text: 'It has no transports for Node, only for browsers.',
  },
  {
    versions: /^0\.[78]\./,
    place: 'node',
    wires: ['websocket'],
    steps: ['connect'],
    text: 'Its WebSocket in Node speaks a draft (hixie-76) that came before RFC 6455.',
  },
  {
    versions: /^0\.9\.0$/,
    place: 'node',
    wires: ['websocket'],
    steps: ['connect'],
    text: 'Its WebSocket needs native code that is built by Node 0.6. With Node servers it does not connect here, either.',
  },
  {
    versions: /^0\.9\.([3-9]|10)$/,
    place: 'node',
    wires: ['xhr-polling'],
    steps: ['connect'],
    text: 'It asks for the address of the page to see whether it can poll, and Node has no page.',
  },
  {
    versions: /^1\.(0|1)\./,
    place: 'browser',
    wires: ['jsonp-polling'],
    steps: ['reconnect', 'leave'],
    text: 'An iframe that it removes twice keeps it from reconnecting after a script failed to load.',
  },
  {
    versions: /^1\.0\.(0-pre[2-5]|[12])$/,
    steps: ['ack', 'binary'],
    text: 'Its parser looks for a count of attachments in every acknowledgement, and loops for ever where there is none. It does the same with Node servers from 1.0.3 on.',
  },
  {
    versions: /^1\.0\.0-pre[23]$/,
    place: 'browser',
    steps: ['say', 'ack', 'binary'],
    text: 'It hangs at acknowledgements as in Node, and it cuts characters down to a byte when it posts.',
  },
  {
    versions: /^1\.0\.3$/,
    place: 'browser',
    steps: ['ack', 'binary'],
    text: 'The bundle in its package has the parser of 1.0.2, which loops for ever at an acknowledgement without a count of attachments. The package in Node has a later one.',
  },
  {
    versions: /^1\.0\.0-pre$/,
    steps: ['say', 'ack', 'binary', 'reconnect', 'leave'],
    text: 'A pre-release: it cuts characters down to a byte when it posts, and has no acknowledgements with bytes.',
  },
];

/** The reason why `version` fails at `steps`, or nothing. */
export function reasonOf(version, place, wire, steps) {
  const fits = (reason) =>
    reason.versions.test(version) && (reason.place ?? place) === place && (reason.wires ?? [wire]).includes(wire) && steps.every((step) => reason.steps.includes(step));
  return steps.length ? REASONS.find(fits)?.text : undefined;
}

const OTHERS = [
  {
    name: /^python-socketio 5\.0\.4/,
    wire: 'xhr-polling',
    steps: ['connect'],
    text: 'It posts text as `application/octet-stream`, which Engine.IO 4 does not have: Node servers refuse it as well.',
  },
];

/** The same for a client of another name. */
export function reasonOfOther(name, wire, steps) {
  return steps.length ? OTHERS.find((reason) => reason.name.test(name) && reason.wire === wire && steps.every((step) => reason.steps.includes(step)))?.text : undefined;
}
