// A visit that fails is made once more, with no other repeat beside it: what a busy machine has spoiled is not told of a client.

export const succeeded = ({ failed }) => Object.keys(failed).length === 0;

/** The better of two results; there may be no first. */
export function better(first, second) {
  return first && Object.keys(first.failed).length <= Object.keys(second.failed).length ? first : second;
}

let last = Promise.resolve();

/** Runs `work` when all that came before it is over. */
export function alone(work) {
  const result = last.then(work);
  last = result.catch(() => {});
  return result;
}

/** The result of `visit`, or of another try if that is better. `done(result)` says whether another try is due. */
export async function again(visit, done = succeeded) {
  const first = await visit();
  return done(first) ? first : better(first, await alone(visit));
}
