// The move of a session from one transport to a better one: packets go on by the old one until the new one has
// answered a ping.

/** Tries one transport. Returns what gives it up. */
export function probe(engine, name) {
  const candidate = engine.create(name);
  let ended = false;

  const end = () => {
    if (ended) return false;
    ended = true;
    engine.upgrading = false;
    engine.off('close', closed).off('upgrading', outdone);
    candidate.off();
    return true;
  };
  const abandon = () => {
    if (end()) candidate.close();
  };
  const outdone = (other) => {
    if (other.name !== candidate.name) abandon();
  };
  const fail = (error) => {
    const was = engine.upgrading;
    if (!end()) return;
    candidate.close();
    if (was) engine.transport.resume();
    const failure = new Error(`probe error: ${error instanceof Error ? error.message : error}`);
    failure.transport = candidate.name;
    engine.fire('upgradeError', failure);
    if (was) engine.flush();
  };

  const closed = () => fail('socket closed');
  const moved = () => {
    if (!end()) return;
    engine.moveTo(candidate);
    candidate.send([{ type: 'upgrade' }]);
    engine.fire('upgrade', candidate);
    engine.flush();
  };
  const answer = ({ type, data }) => {
    if (type !== 'pong' || data !== 'probe') return fail('no answer to the ping');
    candidate.off('packet', answer);
    engine.upgrading = true;
    engine.fire('upgrading', candidate);
    // A listener may have closed the session.
    if (!ended) engine.transport.pause(moved);
    return undefined;
  };

  candidate.on('open', () => candidate.send([{ type: 'ping', data: 'probe' }]));
  candidate.on('packet', answer);
  candidate.on('error', fail);
  candidate.on('close', () => fail('transport closed'));
  engine.on('close', closed).on('upgrading', outdone);
  candidate.open();
  return abandon;
}
