// The administrator's page: the token, who is connected and why not by something better, what happens, causes, policy.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { startRedis } from '../interop/lib/redis.mjs';
import { startChat } from '../interop/lib/server.mjs';
import { Person, openPage, startBrowser, startServer } from './lib/pages.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TOKEN = 'sixteen characters';

let browser;
let server;
before(async () => {
  [browser, server] = await Promise.all([startBrowser(), startServer('--admin-token', TOKEN)]);
});
after(() => Promise.all([browser?.close(), server?.stop('SIGKILL')]));

async function enter(page, hash = '', { url } = server) {
  await page.goto(`${url}/admin${hash}`);
  await page.fill('#token', TOKEN);
  await page.press('#token', 'Enter');
}

/** Opens a session by polling that never upgrades; resolves with its id. */
async function polling() {
  const answer = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`);
  return JSON.parse((await answer.text()).slice(1)).sid;
}

describe('the page of administrators', () => {
  it('is there only with a token in the settings', async () => {
    // The pages are built in: a folder of the operator's may have what it likes there.
    const other = await startChat([]);
    for (const path of ['/admin', '/admin/', '/admin/admin.html', '/admin/admin.js', '/admin/style.css']) assert.equal((await fetch(other.url + path)).status, 404, path);
    await other.stop('SIGKILL');
    for (const path of ['/admin', '/admin/', '/admin/admin.js', '/admin/admin.css', '/admin/style.css']) assert.equal((await fetch(server.url + path)).status, 200, path);
    assert.equal((await fetch(`${server.url}/admin/`)).url, `${server.url}/admin`);
  });

  it('wants the token, and forgets a wrong one', async () => {
    const page = await openPage(browser);
    await page.goto(`${server.url}/admin`);
    await page.fill('#token', 'quite another token');
    await page.press('#token', 'Enter');
    await page.waitForSelector('#wrong:has-text("not the token")');
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    await page.fill('#token', TOKEN);
    await page.press('#token', 'Enter');
    await page.waitForSelector('#sessions:visible');
    // It stays with the tab, and goes when it is told to.
    await page.reload();
    await page.waitForSelector('#sessions:visible');
    await page.click('#leave');
    await page.waitForSelector('#token:visible');
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    assert.deepEqual(page.errors.filter((error) => !/401/.test(error)), []);
    await page.context().close();
  });

  it('shows who is connected, one in full, and disconnects', async () => {
    const person = await Person.enter(browser, server.url, 'Anna <b>');
    const sid = await polling();
    const page = await openPage(browser);
    await enter(page);
    const row = page.locator('#list tr', { hasText: 'Anna <b>' });
    await row.waitFor();
    await page.fill('#text', sid);
    await page.waitForFunction(() => document.querySelectorAll('#list tr').length === 1);
    assert.equal(await page.textContent('#list th'), sid);
    assert.match(await page.textContent('#list tr'), /xhr-polling/);
    await page.fill('#text', 'ANNA');
    await row.waitFor();
    await page.waitForFunction(() => document.querySelectorAll('#list tr').length === 1);
    await row.locator('button').click();
    await page.waitForSelector('#timeline tr:has-text("opened")');
    await page.click('#disconnect');
    assert.equal(await page.textContent('#disconnect'), 'Really disconnect?');
    await page.click('#disconnect');
    await page.waitForSelector('#timeline tr:has-text("closed")');
    assert.equal(await page.locator('#disconnect').count(), 0);
    await page.keyboard.press('Escape');
    await page.check('#ended');
    await row.waitFor();
    assert.match(await row.textContent(), /forced server close|, for /);
    assert.deepEqual(page.errors, []);
    await Promise.all([page.context().close(), person.page.context().close()]);
  });

  it('is used by the keyboard alone, and reads again without taking the keyboard away', async () => {
    const sid = await polling();
    const page = await openPage(browser);
    await enter(page);
    await page.waitForSelector(`[data-sid="${sid}"]`);
    await page.focus('#text');
    const focused = () => page.evaluate(() => document.activeElement.dataset.sid);
    for (let i = 0; i < 10 && (await focused()) !== sid; i++) await page.keyboard.press('Tab');
    assert.equal(await focused(), sid);
    const before = await page.evaluateHandle(() => document.activeElement);
    await page.waitForFunction((element) => !element.isConnected, before);
    assert.equal(await focused(), sid);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#timeline tr');
    await page.keyboard.press('Escape');
    await page.waitForSelector('#one', { state: 'hidden' });
    assert.equal(await focused(), sid);
    await page.context().close();
  });

  it('shows what happens, as it happens', async () => {
    const page = await openPage(browser);
    await enter(page, '#events');
    await page.waitForSelector('#events-state:has-text("live")');
    const sid = await polling();
    await fetch(`${server.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, { method: 'POST', body: '1' });
    await page.fill('#events-text', sid);
    await page.waitForSelector('#tail tr:visible:has-text("closed")');
    assert.equal(await page.locator('#tail tr:visible').count(), 2);
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });

  it('shows causes after a change of the policy, and the policy', async () => {
    await polling();
    const headers = { Authorization: `Bearer ${TOKEN}` };
    await fetch(`${server.url}/admin/policy`, { method: 'POST', headers, body: 'transports = ["websocket"]' });
    const page = await openPage(browser);
    await enter(page, '#causes');
    await page.waitForSelector('.found .pattern:has-text("after a change of the policy: transports")');
    assert.ok((await page.locator('#chart rect').count()) >= 1);
    assert.equal(await page.locator('#chart .mark-line').count(), 1);
    await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`);
    await page.click('a[href="#policy"]');
    await page.waitForSelector('#policy-parts tr:has-text("set by an administrator")');
    assert.match(await page.textContent('#policy-parts'), /transport1/);
    await fetch(`${server.url}/admin/policy`, { method: 'DELETE', headers });
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });

  for (const colorScheme of ['light', 'dark']) {
    for (const [size, options] of [['large', {}], ['a phone', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }]]) {
      it(`has nothing that axe finds: ${colorScheme}, ${size}`, async () => {
        const sid = await polling();
        const page = await openPage(browser, { colorScheme, ...options });
        const isClean = async (state) => {
          await page.evaluate(`${axe};0`);
          const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
          assert.deepEqual(violations.map(({ id, nodes }) => ({ state, id, nodes: nodes.map((node) => `${node.target} ${node.any[0]?.message ?? ''}`) })), []);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(wide <= 0, `${state}: ${wide} pixels too wide`);
        };
        await page.goto(`${server.url}/admin`);
        await isClean('enter');
        await enter(page);
        await page.waitForSelector('#list tr');
        await isClean('sessions');
        await page.click(`[data-sid="${sid}"]`);
        await page.waitForSelector('#timeline tr');
        await isClean('one');
        await page.keyboard.press('Escape');
        for (const part of ['events', 'causes', 'policy']) {
          await page.click(`a[href="#${part}"]`);
          await page.waitForSelector({ events: '#tail tr', causes: '#chart svg', policy: '#policy-parts table' }[part]);
          await isClean(part);
        }
        await page.context().close();
      });
    }
  }
});

describe('the page of administrators in a cluster', () => {
  const PARTS = ['sessions', 'events', 'causes', 'policy'];
  const ALONE = '#cluster[role=status]:has-text("Cluster: alone. Other nodes cannot be reached")';

  it('says on each of its parts that the node is alone, and takes it back by itself', async () => {
    const redis = await startRedis();
    const node = await startServer('--admin-token', TOKEN, '--cluster', redis.url);
    try {
      await node.said(/connected to Redis/);
      const page = await openPage(browser);
      await enter(page, '', node);
      await page.waitForSelector('#sessions:visible');
      assert.equal(await page.textContent('#cluster'), '');
      // What is there is watched: readers of screens say what comes into it.
      const region = await page.evaluateHandle(() => document.querySelector('#cluster'));
      redis.pause();
      await page.waitForSelector(ALONE);
      for (const part of PARTS) {
        await page.click(`a[href="#${part}"]`);
        await page.waitForSelector(`#${part}:visible`);
        assert.equal(await page.locator(ALONE).isVisible(), true, part);
        await page.evaluate(`${axe};0`);
        const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
        assert.deepEqual(violations.map(({ id }) => id), [], part);
      }
      const other = await openPage(browser, { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
      await enter(other, '', node);
      await other.waitForSelector(ALONE);
      assert.ok((await other.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, 'it fits a phone');
      await other.click('#leave');
      await other.waitForSelector(ALONE, { state: 'detached' });
      redis.resume();
      await page.waitForSelector(ALONE, { state: 'detached' });
      assert.equal(await region.evaluate((it) => it.isConnected && it.childNodes.length === 0), true);
      assert.deepEqual([...page.errors, ...other.errors], []);
      await Promise.all([page, other].map((one) => one.context().close()));
    } finally {
      await node.stop('SIGKILL');
      await redis.stop();
    }
  });

  it('says nothing of a cluster where there is none', async () => {
    const page = await openPage(browser);
    await enter(page, '#policy');
    await page.waitForSelector('#policy-parts table');
    assert.equal(await page.textContent('#cluster'), '');
    await page.context().close();
  });
});
