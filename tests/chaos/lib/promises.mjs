// What each adapter promises, whatever happens (docs/cluster.md).

/** What is wrong with a result of `run`: nothing, if the list is empty. */
export function complaints(fault, adapter, result) {
  const { lost, doubled, disordered, outside, missed, notes } = result;
  const wrong = [];
  const say = (is, text) => is && wrong.push(text);
  say(doubled > 0, `${doubled} doubled`);
  say(disordered > 0, `${disordered} out of order`);
  if (adapter === 'redis-streams' || fault.gentle) say(lost > 0, `${lost} lost`);
  say(outside > 0, `${outside} lost outside of the outage`);
  // Of a node that is killed nothing more comes, by which a gap would be seen.
  say(fault.node === undefined && missed !== lost, `the nodes count ${missed} that they missed, and ${lost} are lost`);
  return wrong.length ? [...wrong, ...notes.slice(0, 10)] : [];
}
