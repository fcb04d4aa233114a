// People who are logged in at a site that makes tokens for the chat.

import { createHmac } from 'node:crypto';

const SECRET = '0123456789abcdef0123456789abcdef';
const COOKIE = 'chat';

/** Arguments of a server that takes guests, and these people. */
export const ACCOUNTS = ['--auth', 'optional', '--auth-secret', SECRET, '--auth-cookie', COOKIE, '--origins', 'same-host'];

/** A token of the site. */
export function token(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ exp: Math.floor(Date.now() / 1000) + 600, ...claims })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

/** The cookie of somebody who is logged in at the site. */
export function cookie(claims) {
  return { name: COOKIE, value: token(claims), domain: '127.0.0.1', path: '/', expires: -1, httpOnly: true, secure: false, sameSite: 'Lax' };
}

/** Options of a browser that comes with the cookie of its site: `sub`, `name`, `roles`. */
export function loggedIn(claims) {
  return { storageState: { cookies: [cookie(claims)], origins: [] } };
}
