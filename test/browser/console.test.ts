/** `/console` as Chromium shows it, with a month of history, to callers who may see much or little. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isRecord, listOf } from '../../src/worker/json.ts';
import { ROW_OUTCOMES } from '../../src/worker/outcome.ts';
import { HEADER_OF_ACCESS, HOSTILE_NAME, OPERATORS, startWithHistory } from './history.ts';
import { launchChromium, WatchedPage } from './watched-page.ts';

const PHONE = { width: 320, height: 640 };
const SCREEN = { width: 1200, height: 900 };

/** The test itself, and the callers that tests may use, each once. */
const [READER = '', ...operators] = OPERATORS;

let gateway: Awaited<ReturnType<typeof startWithHistory>>;
let browser: Browser;
let watched: WatchedPage;

beforeAll(async () => {
  gateway = await startWithHistory({ hasMany: true });
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await gateway?.stop();
});

const find = (script: string) => watched.find(script);
const click = (selector: string) => watched.page.locator(selector).click();
const fill = (selector: string, text: string) => watched.page.locator(selector).fill(text);
const textOf = (selector: string) => find(`document.querySelector('${selector}')?.innerText ?? null`);
const until = (script: string) => watched.page.waitForFunction(script);
const untilLoaded = () => until(`document.querySelector('#status').textContent === 'Loaded'`);
/** The cells of a column of a table, from the top. */
const column = (part: string, n: number) =>
  find(`[...document.querySelectorAll('#${part} tbody tr')].map((row) => row.cells[${n}].innerText)`);

/** Opens the page anew, as somebody who has shown nothing yet. */
async function openPage(): Promise<void> {
  watched = await WatchedPage.create(browser, gateway.url);
  await watched.page.setViewport(SCREEN);
  await watched.page.goto(`${gateway.url}/console`);
}

async function enter(key: string): Promise<void> {
  await until(`document.activeElement.type === 'password'`);
  await watched.page.keyboard.type(key);
  await watched.page.keyboard.press('Enter');
}

async function openAs(caller: string): Promise<void> {
  await openPage();
  await enter(gateway.keyOf(caller));
  await untilLoaded();
}

/** Opens the page as somebody who may read everything, and has not asked for anything before. */
const openAsOperator = () => openAs(operators.pop() ?? '');

/** What the API answers about deletions. */
async function rowsOf(caller: string, query: string) {
  const headers = { Authorization: `Bearer ${gateway.keyOf(caller)}` };
  const body: unknown = await (await fetch(`${gateway.url}/deletions?${query}`, { headers })).json();
  return isRecord(body) ? listOf(body['deletions']).filter(isRecord) : [];
}

afterEach(async () => {
  expect(await watched.faults()).toEqual([]);
  await watched.page.close();
});

describe('the door', () => {
  it('asks for a key, refuses a wrong one, and keeps the right one nowhere', async () => {
    await openPage();
    await enter('bcg_wrong');
    await until(`document.querySelector('form .problem').innerText !== ''`);
    expect(await textOf('form .problem')).toMatch(/^The caller is not known Send one Authorization header/);
    await enter(gateway.keyOf('ci-cleaner'));
    await untilLoaded();
    expect(await find('[localStorage.length, sessionStorage.length, document.cookie, location.href]')).toEqual([
      0,
      0,
      '',
      `${gateway.url}/console`,
    ]);
    expect(await find(`[...document.querySelectorAll('input')].map(({ value }) => value).join('')`)).toBe('');
    expect(await find(`document.activeElement.innerText`)).toBe('Gateway');
  });

  it('is open behind Cloudflare Access', async () => {
    watched = await WatchedPage.create(browser, gateway.url);
    await watched.page.setExtraHTTPHeaders({ [HEADER_OF_ACCESS]: await gateway.token() });
    await watched.page.goto(`${gateway.url}/console`);
    await untilLoaded();
    expect(await textOf('#gateway dl')).toMatch(/^caller\naccess$/m);
    // The token runs out, or what stands before the gateway forgets the person.
    await watched.page.setExtraHTTPHeaders({});
    await click('#reload');
    await until(`!document.querySelector('form').hidden`);
    expect(await textOf('form .problem')).toContain('The caller is not known');
    expect(await find(`document.querySelector('#console')`)).toBeNull();
  });

  it('lets a caller leave, and then shows nothing of what it saw', async () => {
    await openAs('ci-cleaner');
    await click('#leave');
    await until(`document.activeElement.type === 'password'`);
    expect(await find('document.body.innerText')).not.toContain('m-custom01');
  });
});

describe('a caller with one scope', () => {
  it('is asked and shown only what it may', async () => {
    await openAs('ci-cleaner');
    expect(
      await find(
        `[...document.querySelectorAll('h2')].filter((each) => each.checkVisibility()).map(({ innerText }) => innerText)`,
      ),
    ).toEqual(['Gateway', 'Deletions per day', 'Unresolved', 'History']);
    expect(await find(`document.querySelector('[name=caller]').checkVisibility()`)).toBe(false);
    const asked = watched.requests.map(({ url }) => url).filter((url) => !url.startsWith('data:'));
    expect(new Set(asked.map((url) => new URL(url).pathname))).toEqual(
      new Set(['/console', '/assets/console.js', '/assets/console.css', '/readyz', '/deletions']),
    );
  });

  it('sees its deletions by day and outcome, in words, in a table and in the plot', async () => {
    await openAs('ci-cleaner');
    const rows = await rowsOf('ci-cleaner', 'limit=500');
    const parts = ROW_OUTCOMES.map(
      (outcome) => [outcome, rows.filter((row) => row['outcome'] === outcome).length] as const,
    );
    const words = parts
      .filter(([, count]) => count > 0)
      .map(([outcome, count]) => `${count} ${outcome.replace('_', ' ')}`);
    expect(words.length).toBeGreaterThanOrEqual(4);
    expect(await textOf('#days-summary')).toBe(`The last 30 days of this caller: ${words.join(', ')}.`);
    await click('summary');
    const today = rows.filter((row) => String(row['reservedAt']).startsWith(new Date().toISOString().slice(0, 10)));
    const counts = ROW_OUTCOMES.map((outcome) => String(today.filter((row) => row['outcome'] === outcome).length));
    expect(
      await find(`[...document.querySelector('#days tbody tr').cells].slice(1).map(({ innerText }) => innerText)`),
    ).toEqual(counts);
    expect(await colours()).toContain(await colourOf('deleted'));
    // What a mouse finds at the last day.
    await watched.page.hover('#plot');
    const right = await find(`document.querySelector('.u-over').getBoundingClientRect().right`);
    const top = await find(`document.querySelector('.u-over').getBoundingClientRect().top`);
    await watched.page.mouse.move(Number(right) - 10, Number(top) + 20);
    await until(`document.querySelector('#readout').innerText !== ''`);
    expect(await textOf('#readout')).toMatch(/^\d{4}-\d\d-\d\d: .*2 deleted, 1 already absent/);
  });
});

/** The colours in the plot. */
const colours = () =>
  find(`{
    const { width, height } = document.querySelector('canvas');
    const { data } = document.querySelector('canvas').getContext('2d').getImageData(0, 0, width, height);
    const found = new Set();
    for (let n = 0; n < data.length; n += 4) if (data[n + 3] === 255) found.add('rgb(' + data.slice(n, n + 3).join(', ') + ')');
    [...found];
  }`);
const colourOf = (outcome: string) =>
  find(`getComputedStyle(document.querySelector('#legend .${outcome}')).backgroundColor`);

/** What axe finds wrong in the page, each with the first place. */
async function axe(): Promise<unknown> {
  await find(readFileSync(join(import.meta.dirname, 'node_modules/axe-core/axe.min.js'), 'utf8'));
  return find(`axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes[0].html))`);
}

describe('a caller who may read everything', () => {
  it('sees budgets as bars', async () => {
    await openAsOperator();
    expect(await column('budgets', 0)).toEqual(['All callers', 'bulk', 'ci-cleaner', 'release']);
    expect(await column('budgets', 2)).toEqual(['5 of 500', '1 of 50', '2 of 4', '2 of 20']);
    const bars = `[...document.querySelectorAll('meter')].map((bar) => [bar.value, bar.max, bar.ariaLabel])`;
    expect(await find(bars)).toContainEqual([2, 4, 'Used by ci-cleaner']);
  });

  it('is told which deletions are too many to count', async () => {
    await openAsOperator();
    expect(await textOf('#days-summary')).toMatch(
      /^The last 30 days of all callers: .* There are more than 4000; those before \d{4}-\d\d-\d\d \d\d:\d\d:\d\d are left out\.$/,
    );
  });

  it('sees what is unresolved', async () => {
    await openAsOperator();
    expect(await textOf('#unresolved p')).toBe('Deletions: 1');
    expect([await column('unresolved', 1), await column('unresolved', 3)]).toEqual([
      ['m-custom04'],
      ['upstream_error'],
    ]);
  });

  it('turns the pages of the history, there and back', async () => {
    await openAsOperator();
    const ids = (await rowsOf(READER, 'limit=100')).map((row) => row['requestId']);
    expect(await column('history', 11)).toEqual(ids.slice(0, 50));
    expect(
      await find(`[document.querySelector('#newer').disabled, document.querySelector('#older').disabled]`),
    ).toEqual([true, false]);
    await click('#older');
    await until(`document.querySelector('#page').innerText.startsWith('Page 2')`);
    expect(await column('history', 11)).toEqual(ids.slice(50, 100));
    await click('#newer');
    await until(`document.querySelector('#page').innerText.startsWith('Page 1')`);
    expect(await column('history', 11)).toEqual(ids.slice(0, 50));
  });

  it('has a column for every member of a deletion', async () => {
    await openAsOperator();
    const columns = await find(`document.querySelector('#history table').dataset.columns.split(' ')`);
    expect([columns].flat().sort()).toEqual(Object.keys((await rowsOf(READER, 'limit=1'))[0] ?? {}).sort());
  });

  it('filters the history, with Enter, by all that the API filters by', async () => {
    await openAsOperator();
    const [row] = await rowsOf(READER, 'imageId=m-system01&limit=1');
    const at = String(row?.['reservedAt']);
    await fill('#history [name=caller]', 'ci-cleaner');
    await fill('#history [name=imageId]', ' m-system01 ');
    await fill('#history [name=requestId]', String(row?.['requestId']));
    await watched.page.select('#history [name=outcome]', 'rejected');
    await find(`{
      document.querySelector('#history [name=since]').value = '${at.slice(0, 16)}';
      document.querySelector('#history [name=until]').value = '${new Date(Date.parse(at) + 60_000).toISOString().slice(0, 16)}';
    }`);
    const answered = watched.page.waitForResponse((response) => response.url().includes('requestId='));
    await watched.page.focus('#history [name=caller]');
    await watched.page.keyboard.press('Enter');
    expect(Object.fromEntries(new URL((await answered).url()).searchParams)).toEqual({
      limit: '50',
      caller: 'ci-cleaner',
      imageId: 'm-system01',
      requestId: row?.['requestId'],
      outcome: 'rejected',
      since: `${at.slice(0, 16)}:00.000Z`,
      until: new Date(Date.parse(at) + 60_000).toISOString().replace(/\d\d\.\d+Z/, '00.000Z'),
    });
    await until(`document.querySelector('#page').innerText === 'Page 1, deletions: 1'`);
    expect(await column('history', 11)).toEqual([row?.['requestId']]);
  });

  it('says what is wrong with a filter, in the words of the API', async () => {
    await openAsOperator();
    await fill('#history [name=imageId]', 'i-1');
    await click('#history form button');
    await until(`document.querySelector('#history .problem').innerText !== ''`);
    expect(await textOf('#history .problem')).toMatch(/^The (image id is malformed|request has a part)/);
  });

  it('sees an image that it picks from a table, and what stands in its way', async () => {
    await openAsOperator();
    await click('#history td button[value=m-shared01]');
    await until(`document.querySelector('#image dl').innerText !== ''`);
    const text = await textOf('#image dl');
    expect(text).toMatch(/^name\ngolden-base$/m);
    expect(text).toMatch(/^deletable\nno$/m);
    expect(text).toMatch(/^blockers\n.*image_shared: /m);
    expect(await find('document.activeElement.value')).toBe('m-shared01');
  });

  it('is told that Baidu accepts the credential, when it asks', async () => {
    await openAsOperator();
    expect(await textOf('#gateway dl')).toMatch(/^credential accepted\n–$/m);
    await click('#probe');
    await until(`document.querySelector('#status').innerText === 'Baidu accepts the credential'`);
    expect(await textOf('#gateway dl')).toMatch(/^credential accepted\nyes$/m);
    expect(watched.requests.filter(({ url }) => url.endsWith('/readyz?upstream=true'))).toHaveLength(1);
  });
});

describe('the page', () => {
  it('fits a phone, in the dark, and the plot follows', async () => {
    await openAs('release');
    const light = await colourOf('unknown');
    expect(await colours()).toContain(light);
    await watched.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
    const dark = await colourOf('unknown');
    expect(dark).not.toBe(light);
    expect(await colours()).toContain(dark);
    expect(await colours()).not.toContain(light);
    await watched.page.setViewport(PHONE);
    await until(`document.querySelector('canvas').width <= 320`);
    expect(await colours()).toContain(dark);
    expect(await find('document.documentElement.scrollWidth')).toBe(PHONE.width);
  });

  it('shows what comes from the API as text, never as HTML', async () => {
    await openAsOperator();
    expect(await column('history', 3)).toContain(HOSTILE_NAME);
    await click('#history td button[value=m-hostile1]');
    await until(`document.querySelector('#image dl').innerText !== ''`);
    expect(await textOf('#image dl')).toContain(HOSTILE_NAME);
    expect(await find(`document.querySelectorAll('img').length`)).toBe(0);
  });

  it('has the order and the visible focus that a keyboard needs', async () => {
    await openAs('release');
    const stops: unknown[] = [];
    for (let n = 0; n < 14; n++) {
      await watched.page.keyboard.press('Tab');
      stops.push(
        await find(`{
          const { innerText, name, tagName } = document.activeElement;
          const isSeen = getComputedStyle(document.activeElement).outlineStyle !== 'none';
          isSeen ? name || innerText || tagName : 'no focus to be seen';
        }`),
      );
    }
    expect(stops.slice(0, 3)).toEqual(['Ask Baidu about the credential', 'Load again', 'Leave']);
    expect(stops).not.toContain('no focus to be seen');
    const parts = ['The same as a table', 'Preview', 'imageId', 'outcome'].map((stop) => stops.indexOf(stop));
    expect(parts).not.toContain(-1);
    expect(parts).toEqual([...parts].sort((a, b) => a - b));
  });

  it.each(['light', 'dark'])(
    'has nothing that axe finds wrong, %s, before and after somebody has entered',
    async (value) => {
      await openPage();
      await watched.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }]);
      await until(`document.activeElement.type === 'password'`);
      expect(await axe()).toEqual([]);
      await enter(gateway.keyOf(operators.pop() ?? ''));
      await untilLoaded();
      await click('summary');
      expect(await axe()).toEqual([]);
    },
  );

  it('has landmarks, headings, captions and names for who cannot see it', async () => {
    await openAs('release');
    const tree = await watched.page.accessibility.snapshot({ interestingOnly: false });
    const found: string[] = [];
    const walk = (node: unknown): void => {
      if (!isRecord(node)) return;
      found.push(`${String(node['role'])} ${String(node['name'] ?? '')}`.trim());
      listOf(node['children']).forEach(walk);
    };
    walk(tree);
    for (const name of ['banner', 'main', 'navigation Other pages', 'heading Gateway', 'region History', 'status']) {
      expect(
        found.some((each) => each.startsWith(name)),
        name,
      ).toBe(true);
    }
    expect(found).toContain('table Deletions, newest first (UTC)');
    expect(found).toContain('image Deletions per day');
    expect(found.filter((each) => /^(?:button|textbox|combobox|link)$/.test(each))).toEqual([]);
  });
});
