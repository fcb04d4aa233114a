// Cookies of one session, which keep it at one server behind a balancer: with `withCredentials`, as in a browser.

export class Cookies {
  constructor() {
    this._kept = new Map();
  }

  /** Takes the values of `Set-Cookie`. */
  take(headers = []) {
    for (const header of headers) {
      const [pair, ...attributes] = header.split(';');
      const at = pair.indexOf('=');
      if (at < 1) continue;
      const name = pair.slice(0, at).trim();
      const until = expiry(attributes);
      if (until <= Date.now()) this._kept.delete(name);
      else this._kept.set(name, { value: pair.slice(at + 1).trim(), until });
    }
  }

  /** The value of `Cookie`, or `undefined`. */
  header() {
    const pairs = [];
    for (const [name, { value, until }] of this._kept) {
      if (until > Date.now()) pairs.push(`${name}=${value}`);
      else this._kept.delete(name);
    }
    return pairs.length ? pairs.join('; ') : undefined;
  }
}

/** In ms since 1970. `Max-Age` goes before `Expires`. */
function expiry(attributes) {
  const values = {};
  for (const attribute of attributes) {
    const [name, value = ''] = attribute.split('=');
    values[name.trim().toLowerCase()] = value.trim();
  }
  if (/^-?\d+$/.test(values['max-age'])) return Date.now() + 1000 * Number(values['max-age']);
  const at = Date.parse(values.expires);
  return Number.isNaN(at) ? Infinity : at;
}
