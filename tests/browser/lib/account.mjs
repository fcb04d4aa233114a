// People who are logged in at a site that makes tokens for the chat.

import { createHmac } from 'node:crypto';

const SECRET = '0123456789abcdef0123456789abcdef';
const COOKIE = 'chat';

/** Arguments of a server that takes guests, and these people. */
export const ACCOUNTS = ['--auth', 'optional', '--auth-secret', SECRET, '--auth-cookie', COOKIE, '--origins', 'same-host'];

function token(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ exp: Math.floor(Date.now() / 1000) + 600, ...claims })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

/** Options of a browser that comes with the cookie of its site: `sub`, `name`, `roles`. */
export function loggedIn(claims) {
  const cookie = { name: COOKIE, value: token(claims), domain: '127.0.0.1', path: '/', expires: -1, httpOnly: true, secure: false, sameSite: 'Lax' };
  return { storageState: { cookies: [cookie], origins: [] } };
}
