// Whether what a surface names is true of a fault.

/** What may stand beside any cause: that something is not known, or rests after a failure that has its own cause. */
const ALWAYS = ['unknown', 'resting'];

/** What `surface` has to say: `{ causes, because }`. */
export function expected(expectation, surface) {
  return expectation.except?.[surface] ?? { causes: expectation.causes };
}

/**
 * `named` are `{ cause, certainty }`. The verdict on them is `right`, `wrong` (`wrong for certain` if that was said),
 * or `unknown` if nothing was named that should have been.
 */
export function judge(expectation, surface, named) {
  const { causes } = expected(expectation, surface);
  const allowed = [...causes, ...(expectation.also ?? []), ...ALWAYS];
  // what is said to be unknown is no claim
  const wrong = named.filter(({ cause, certainty }) => !allowed.includes(cause) && certainty !== 'unknown');
  if (wrong.some(({ certainty }) => certainty === 'certain')) return 'wrong for certain';
  if (wrong.length) return 'wrong';
  return causes.length === 0 || named.some(({ cause }) => causes.includes(cause)) ? 'right' : 'unknown';
}

/** All objects with a `cause` in a JSON value, however deep, but for what is within objects that `skip` holds for. */
export function causesIn(value, skip = () => false) {
  if (typeof value !== 'object' || value === null || skip(value)) return [];
  const own = typeof value.cause === 'string' ? [{ cause: value.cause, certainty: value.certainty, evidence: value.evidence }] : [];
  return [...own, ...Object.values(value).flatMap((inner) => causesIn(inner, skip))];
}
