// Addresses: the server and the namespace that `io(…)` is given, and query strings.

import { root } from './root.js';

const PARTS = /^(?:(https?|wss?):)?(?:\/\/)?(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d*))?([^?#]*)(?:\?([^#]*))?/i;

/**
 * The parts of an address. `path` is the server's, for `id`, which is the same for addresses of one
 * server. `place` is the page's location: what the address leaves out is taken from it.
 */
export function url(address, path = '', place = root.location) {
  const parts = PARTS.exec(complete(address, place)) || [];
  const given = parts[1] || (place && /^https?(?=:)/.exec(place.protocol)) || 'https';
  const protocol = String(given).toLowerCase();
  const secure = protocol === 'https' || protocol === 'wss';
  const host = (parts[2] || 'localhost').replace(/^\[|\]$/g, '');
  const port = parts[3] || (secure ? '443' : '80');
  const id = `${protocol}://${bracketed(host)}:${port}${path}`;
  const href = `${protocol}://${bracketed(host)}${parts[3] ? `:${port}` : ''}`;
  return { protocol, secure, host, port, path: parts[4] || '/', query: parts[5] || '', id, href, source: href + (parts[4] || '') };
}

function complete(address, place) {
  if (typeof address === 'string' && !/^\/(?!\/)/.test(address)) return address;
  if (address && typeof address !== 'string') return String(address);
  const origin = place && place.host ? `${place.protocol}//${place.host}` : 'http://localhost';
  return origin + (address || '');
}

/** A host as it is written in a URL. */
export function bracketed(host) {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** The values of a query string by name. */
export function parseQuery(text) {
  const values = {};
  new URLSearchParams(text).forEach((value, name) => {
    values[name] = value;
  });
  return values;
}

export function formatQuery(values) {
  const pairs = [];
  for (const name of Object.keys(values)) {
    if (values[name] !== undefined) pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(values[name])}`);
  }
  return pairs.join('&');
}
