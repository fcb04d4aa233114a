// The page behind real balancers that send each of its requests to any of two nodes, by each transport.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { BALANCERS, startNodes } from '../interop/lib/nodes.mjs';
import { startProxy } from '../interop/lib/proxy.mjs';
import { scenario } from '../interop/lib/scenario.mjs';
import { Person, startBrowser } from './lib/pages.mjs';

let browser;
before(async () => (browser = await startBrowser()));
after(() => browser?.close());

/** What carries the session, by what the operator allows; script polling is for browsers without the others. */
const WAYS = [
  { transports: 'websocket,polling', form: 'websocket' },
  { transports: 'eventsource,polling', form: 'eventsource' },
  { transports: 'htmlfile,polling', form: 'htmlfile' },
  { transports: 'xhr-polling', form: 'xhr-polling' },
  { transports: 'jsonp-polling', form: 'jsonp-polling' },
];

for (const name of Object.keys(BALANCERS)) {
  scenario(`${name}: the page talks by each transport, though any node gets its requests`, async (scene) => {
    await Promise.all(
      WAYS.map(async ({ transports, form }) => {
        const nodes = await startNodes(scene, ['--transports', transports, '--ping-interval', '1s']);
        const proxy = await startProxy(scene, BALANCERS[name], nodes.map(({ port }) => port), ['http']);
        const person = await Person.enter(browser, proxy.http, form);
        scene.atEnd(() => person.leave());
        await person.travelsBy(form);
        for (let message = 0; message < 10; message += 1) {
          await person.say(`${form} ${message}`);
          await person.delivered();
        }
        assert.equal((await person.messages()).length, 10, form);
        assert.equal(await person.page.$$eval('#log .note', (notes) => notes.filter((note) => /^Not connected/.test(note.textContent)).length), 0, `${form}: one session`);
        assert.deepEqual(person.page.errors, [], form);
      }),
    );
  });
}
