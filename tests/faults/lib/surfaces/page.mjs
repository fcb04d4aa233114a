// What the pages say: the chat with its panel and banner, and the connection test.

import { WITH_PAGES } from '../acts.mjs';
import { visit } from '../visit.mjs';

const WATCH_MS = 16_000;
/** Between two messages of a page that chats. */
const CHAT_MS = 700;
const SETTLE_MS = 20_000;
const TEST_MS = 150_000;
/** What is named is watched a little longer: another cause may follow. */
const LINGER_MS = 1500;

/** Elements of the page that name a cause, by their attributes; all of one moment. */
function named(page) {
  return page.evaluate(() => [...document.querySelectorAll('[data-cause]')].map(({ dataset, textContent }) => ({ cause: dataset.cause, certainty: dataset.certainty, text: textContent.trim().slice(0, 300) })));
}

/** Somebody opens the chat, and the fault is there. Resolves with `{ named, seen }`, and what `look()` sees before they leave. */
export async function watchChat(browser, stage, { causes, watch = {} }, look) {
  const { page, close } = await visit(browser, stage);
  try {
    await page.fill('#name', 'somebody');
    await page.press('#name', 'Enter');
    await stage.arm(await page.evaluate(() => navigator.userAgent));
    if (stage.fault.act || watch.says || watch.chats) await settled(page);
    await stage.act();
    const end = Date.now() + (watch.ms ?? WATCH_MS);
    if (watch.chats) await page.evaluate(chat, CHAT_MS);
    if (watch.says) await page.fill('#message', 'x'.repeat(watch.says)).then(() => page.press('#message', 'Enter'));
    await page.click('#badge');
    const found = async () => (await named(page)).some(({ cause }) => causes.includes(cause));
    while (Date.now() < end && !(causes.length && (await found()))) await page.waitForTimeout(200);
    await page.waitForTimeout(LINGER_MS);
    const seen = await page.evaluate(() => ({
      badge: document.querySelector('#badge').textContent.trim(),
      banner: document.querySelector('#banner').textContent.trim(),
      panel: [...document.querySelectorAll('#panel .transports tbody tr')].map((row) => row.textContent),
      timeline: window.ParlancePanel.report().split('Timeline\n')[1],
    }));
    return { named: await named(page), seen, meanwhile: await look() };
  } finally {
    await close();
  }
}

/** In the page: somebody says something again and again, so that no connection is silent for long. */
function chat(pause) {
  setInterval(() => {
    document.querySelector('#message').value = 'hello';
    document.querySelector('#send').click();
  }, pause);
}

/** Until it is in the room and on a WebSocket, or it has become plain that it will not be. */
async function settled(page) {
  for (const selector of ['#room:not(.off)', '#badge[data-transport="websocket"]']) {
    await page.waitForSelector(selector, { timeout: SETTLE_MS }).catch(() => {});
  }
}

/** Somebody starts the connection test. */
export async function runTest(browser, stage) {
  await stage.act(WITH_PAGES);
  const { page, close } = await visit(browser, stage, '/diagnostics');
  try {
    await stage.arm(await page.evaluate(() => navigator.userAgent));
    await page.click('#start');
    await page.waitForSelector('#report-part:not(.off)', { timeout: TEST_MS });
    const seen = await page.evaluate(() => ({ summary: document.querySelector('#summary').textContent.trim(), rows: [...document.querySelectorAll('#rows tr')].map((row) => row.textContent) }));
    return { named: await named(page), seen };
  } finally {
    await close();
  }
}
