/** `/docs` in Chromium: complete, within its content security policy, from one origin. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKey } from '../../src/tools/new-key.ts';
import { DOCUMENT } from '../answers.ts';
import { type Gateway, type Server, startEmulator, startGateway, varsFor } from '../local/stack.ts';
import { launchChromium, WatchedPage } from './watched-page.ts';

/** Without a graphics card, Chromium may take a minute for the entire document. */
const PATIENCE_MS = 180_000;

const { key, keySha256 } = createKey();
const running: Server[] = [];
let gateway: Gateway;
let browser: Browser;
let watched: WatchedPage;
let page: Page;

const find = (script: string) => watched.find(script);
const click = (selector: string) => page.locator(selector).click();
const operationIds = (isMeant: (method: string) => boolean) =>
  Object.values(DOCUMENT.paths ?? {}).flatMap((methods) =>
    Object.entries(methods ?? {}).flatMap(([method, operation]) =>
      isMeant(method) && typeof operation === 'object' && 'operationId' in operation ? [operation.operationId] : [],
    ),
  );
/** The ids of the operations that contain this. */
const operationsWith = (selector: string) =>
  find(`[...document.querySelectorAll('.opblock')].filter((each) => each.querySelector('${selector}'))
    .map(({ id }) => id.split('-').at(-1)).sort()`);

beforeAll(async () => {
  const emulator = await startEmulator(0);
  running.push(emulator);
  const CALLERS = JSON.stringify({ reader: { keySha256: [keySha256], scopes: ['images:read'] } });
  gateway = await startGateway({ port: 0, vars: { ...varsFor(emulator), CALLERS } });
  running.push(gateway);
  browser = await launchChromium();
  watched = await WatchedPage.create(browser, gateway.url);
  page = watched.page;
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(`${gateway.url}/docs`);
  await page.waitForSelector('.opblock');
});

afterAll(async () => {
  await browser?.close();
  await Promise.all(running.map((server) => server.stop()));
});

it('shows every operation of the document', async () => {
  expect(await operationsWith('.opblock-summary')).toEqual(operationIds(() => true).sort());
  expect(await find('document.body.innerText')).toContain('Delete a custom image. It cannot be recovered.');
});

it('calls the gateway with the entered key', async () => {
  await click('.btn.authorize');
  await page.locator('.auth-container input').fill(key);
  await click('.auth-btn-wrapper .authorize');
  await click('.btn-done');
  await click('#operations-images-previewImage .opblock-summary-control');
  await click('#operations-images-previewImage .try-out__btn');
  await page.waitForSelector('#operations-images-previewImage input[placeholder="id"]');
  await page.type('#operations-images-previewImage input[placeholder="id"]', 'm-custom01');
  await click('#operations-images-previewImage .execute');
  await page.waitForSelector('#operations-images-previewImage .live-responses-table');
  const answer = await find(
    `document.querySelector('#operations-images-previewImage .live-responses-table').innerText`,
  );
  expect(answer).toMatch(/^200\t/m);
  expect(answer).toContain('"id": "m-custom01"');
});

it('can try out every GET, and no deletion', async () => {
  const closed = operationIds(() => true).length - 1;
  const opened = await find(`{
    const closed = document.querySelectorAll('.opblock:not(.is-open) .opblock-summary-control');
    for (const each of closed) each.click();
    closed.length;
  }`);
  expect(opened).toBe(closed);
  await page.waitForFunction(
    `document.querySelectorAll('.opblock.is-open .responses-wrapper').length === ${closed + 1}`,
  );
  expect(await operationsWith('.try-out')).toEqual(operationIds((method) => method === 'get').sort());
});

it('links to the console, and removes the sentence that it has not started', async () => {
  expect(await find(`document.querySelector('nav a').getAttribute('href')`)).toBe('/console');
  expect(await find(`document.querySelector('#broken')`)).toBeNull();
});

it('calls no other origin, violates no policy, and reports no error', async () => {
  expect(await watched.faults()).toEqual([]);
  expect(watched.requests).toContainEqual({ method: 'GET', url: `${gateway.url}/openapi.json` });
});

it.each(['light', 'dark'])('has no critical problem that axe finds, in %s mode', async (value) => {
  const other = await WatchedPage.create(browser, gateway.url);
  other.page.setDefaultTimeout(PATIENCE_MS);
  await other.emulateMedia({ 'prefers-color-scheme': value });
  await other.page.goto(`${gateway.url}/docs`);
  await other.page.waitForSelector('.opblock');
  await other.page.locator('#operations-images-previewImage .opblock-summary-control').click();
  await other.page.waitForSelector('#operations-images-previewImage .examples-select-element');
  expect(await other.find(`document.documentElement.classList.contains('dark-mode')`)).toBe(value === 'dark');
  await other.find(readFileSync(join(import.meta.dirname, 'node_modules/axe-core/axe.min.js'), 'utf8'));
  const violations = await other.find(`axe.run().then(({ violations }) => violations.map(({ id }) => id).sort())`);
  // These are in Swagger UI's own structure, so no configuration or style can fix them. axe does not rate them as critical.
  expect(violations).toEqual(['heading-order', 'nested-interactive', 'region']);
  await other.page.close();
});

it.each(['/assets/docs.js', '/assets/swagger-ui-bundle.js'])(
  'says in both languages that it has not started without %s',
  async (file) => {
    const other = await WatchedPage.create(browser, gateway.url);
    await other.intercept(({ pathname }) => (pathname === file ? 'fail' : 'pass'));
    await other.page.goto(`${gateway.url}/docs`);
    await other.passTime();
    expect(await other.find(`document.querySelector('#broken').checkVisibility({ visibilityProperty: true })`)).toBe(
      true,
    );
    const text = await other.find(`document.querySelector('#broken').innerText`);
    expect(text).toMatch(/^The API description is not shown, .*\s+无法显示 API 说明/);
    await other.page.close();
  },
);

it('would notice an inline style or script, which the policy blocks', async () => {
  await find(`{
    const script = document.createElement('script');
    script.textContent = 'window.hasRun = true';
    document.body.append(script);
    document.body.setAttribute('style', 'color: red');
  }`);
  await page.waitForFunction('violations.length === 2');
  expect(await find('[violations, window.hasRun]')).toEqual([
    ['script-src-elem inline', 'style-src-attr inline'],
    null,
  ]);
});
