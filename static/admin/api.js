// Requests to the server, with the token that this tab keeps.

const KEY = 'parlance-admin-token';
const base = new URL('admin/', document.baseURI);

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** An answer that says no; `name` is that of the documentation. */
export class Refusal extends Error {
  constructor(status, name, reason) {
    super(reason);
    this.status = status;
    this.name = name;
  }
}

/** Sends a request and resolves with the answer. `query` leaves out what is empty. */
export async function ask(path, { method = 'GET', query = {}, signal } = {}) {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) if (value !== '' && value !== null && value !== undefined && value !== false) url.searchParams.set(name, value);
  const answer = await fetch(url, { method, signal, cache: 'no-store', headers: { Authorization: `Bearer ${token.get()}` } });
  const body = await answer.json().catch(() => null);
  if (!answer.ok || body === null) throw new Refusal(answer.status, body?.error ?? 'unreadable', body?.reason ?? `the server answered ${answer.status}`);
  return body;
}
