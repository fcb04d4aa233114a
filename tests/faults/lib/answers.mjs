// What boxes on the way answer in the server's place.

import { STATUS_CODES } from 'node:http';

const page = (title, text) => `<html><head><title>${title}</title></head><body><h1>${title}</h1><p>${text}</p></body></html>\n`;

/** Headers that belong to a status. */
const HEADERS = {
  302: { Location: 'SIGN-IN' },
  407: { 'Proxy-Authenticate': 'Basic realm="office"' },
  426: { Upgrade: 'TLS/1.2', Connection: 'Upgrade' },
  429: { 'Retry-After': '5' },
};

const SIGN_IN = page('Sign in', 'Please accept the terms of use to go on. <form method="post"><input name="room"><button>Sign in</button></form>');

/** The page that a redirect leads to. */
export const SIGN_IN_PATH = '/sign-in';

/** `{ status, headers, body }` of a box that answers with `status`; 200 is a page where one signs in. `signIn` is its URL. */
export function answerOf(status, signIn) {
  const body = status === 200 ? SIGN_IN : page(`${status} ${STATUS_CODES[status]}`, 'gateway');
  const own = Object.entries(HEADERS[status] ?? {}).map(([name, value]) => [name, value === 'SIGN-IN' ? signIn : value]);
  const headers = { Server: 'gateway/1.0', Via: '1.1 gateway', 'Content-Type': 'text/html', 'Content-Length': String(body.length), ...Object.fromEntries(own) };
  return { status, headers, body };
}
