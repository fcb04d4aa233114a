// What the tests of the chat page share: one browser for the file, a server for each test, and people whose scripts must not fail.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach } from 'node:test';
import { Person, openPage, startBrowser, startServer } from './pages.mjs';

/**
 * Has node:test set all up and clean all up; `start` makes the server of each test, the real one with these arguments or another.
 * Returns `{ browser, server }`, which are there while a test runs, and ways into the room.
 */
export function stage(start = []) {
  const people = [];
  const ends = [];
  const set = {
    browser: null,
    server: null,
    /** Somebody in the room: `path` says which, `options` are those of `openPage`. */
    async enter(name, options, path = '/') {
      return set.with(await Person.enter(set.browser, set.server.url + path, name, options));
    },
    /** Somebody at the page, without a name. */
    async visit(options, path = '/') {
      const page = await openPage(set.browser, options);
      await page.goto(set.server.url + path);
      return set.with(new Person(page));
    },
    /** Another tab of somebody's window. */
    async tab(person, path = '/') {
      const page = await person.page.context().newPage();
      page.errors = [];
      page.on('pageerror', (error) => page.errors.push(error));
      await page.goto(set.server.url + path);
      return set.with(new Person(page));
    },
    /** One more whose scripts must not fail, and who leaves after the test. */
    with(person) {
      people.push(person);
      return person;
    },
    /** Is called after the test. */
    atEnd: (fn) => ends.push(fn),
  };

  before(async () => {
    set.browser = await startBrowser();
  });
  after(() => set.browser?.close());
  beforeEach(async () => {
    set.server = typeof start === 'function' ? await start(set) : await startServer(...start);
  });
  afterEach(async () => {
    const errors = people.flatMap((person) => person.page.errors);
    await Promise.all(people.splice(0).map((person) => person.leave()));
    await (set.server?.crash ? set.server.crash() : set.server?.stop('SIGKILL'));
    for (const end of ends.splice(0)) await end();
    assert.deepEqual(errors, [], 'no script failed');
  });
  return set;
}
