// Options that only Node has, as its `http`, `https` and `tls` know them.

const NAMES = ['agent', 'ca', 'cert', 'ciphers', 'key', 'passphrase', 'pfx', 'rejectUnauthorized', 'localAddress'];

export function nodeOptions(opts) {
  const given = {};
  for (const name of NAMES) if (opts[name] !== undefined && opts[name] !== null) given[name] = opts[name];
  return given;
}

/** The headers of a request: those of the options, and cookies. */
export function headersOf({ opts, engine }) {
  const headers = { ...opts.extraHeaders };
  const cookie = opts.withCredentials && engine.cookies && engine.cookies.header();
  if (cookie) headers.Cookie = cookie;
  return headers;
}
