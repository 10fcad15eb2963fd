/** `/console` in Chromium, with a month of history, for callers with many scopes or few. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import type { Browser } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { NOTICES, TEXTS } from '../../src/console/texts.ts';
import { isRecord, listOf } from '../../src/worker/json.ts';
import { ROW_OUTCOMES } from '../../src/worker/outcome.ts';
import { HOUR_MS } from '../../src/worker/time.ts';
import { DECEPTIVE_NAME, HEADER_OF_ACCESS, HOSTILE_NAME, OPERATORS, startWithHistory } from './history.ts';
import { launchChromium, type RequestAction, WatchedPage } from './watched-page.ts';

const PHONE = { width: 390, height: 844 };
const SCREEN = { width: 1280, height: 900 };
const WIDE = { width: 1920, height: 1080 };
const LOADED = /^(?:Loaded at|已于)/;

/** The caller of the test itself, and callers that each test may use once. */
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
/** The visible text, one line for each paragraph. */
const textOf = (selector: string) =>
  find(`document.querySelector('${selector}')?.innerText.replace(/\\n+/g, '\\n') ?? null`);
const until = (script: string) => watched.page.waitForFunction(script);
const untilLoaded = () => until(`${LOADED}.test(document.querySelector('#status').textContent)`);
const untilNotice = (place: string) => until(`document.querySelector('${place} .notice')?.innerText`);
/** The cells of a table column, from the top. */
const column = (section: string, n: number) =>
  find(`[...document.querySelectorAll('#${section} tbody tr')].map((row) => row.cells[${n}].innerText)`);
/** The request ids in the history, from the top. */
const requestIds = () =>
  find(`[...document.querySelectorAll('#history tbody details dd:first-of-type')].map(({ textContent }) => textContent)
    .filter((_, n) => n % 8 === 0)`);

/** Opens the page as a person who has not signed in. */
async function openPage(viewport = SCREEN, inBrowser = browser): Promise<void> {
  watched = await WatchedPage.create(inBrowser, gateway.url);
  await watched.page.setViewport(viewport);
  await watched.page.goto(`${gateway.url}/console`);
}

async function enter(key: string): Promise<void> {
  await until(`document.activeElement.type === 'password'`);
  await watched.page.keyboard.type(key);
  await watched.page.keyboard.press('Enter');
}

async function openAs(caller: string, viewport = SCREEN, inBrowser = browser): Promise<void> {
  await openPage(viewport, inBrowser);
  await enter(gateway.keyOf(caller));
  await untilLoaded();
}

/** A caller that may read everything, and that no test has used. */
const operator = () => operators.pop() ?? 'no operator is left';
const openAsOperator = () => openAs(operator());

/** The rows of deletions in the API's response. */
async function rowsOf(caller: string, query: string) {
  const headers = { Authorization: `Bearer ${gateway.keyOf(caller)}` };
  const body: unknown = await (await fetch(`${gateway.url}/deletions?${query}`, { headers })).json();
  return isRecord(body) ? listOf(body['deletions']).filter(isRecord) : [];
}

/** The colours of an element in a screenshot. */
async function coloursOf(selector: string): Promise<unknown> {
  const shot = await (await watched.page.$(selector))?.screenshot({ encoding: 'base64' });
  return find(`new Promise((resolve) => {
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [image.width, image.height];
      const context = canvas.getContext('2d');
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, image.width, image.height);
      const found = new Set();
      for (let n = 0; n < data.length; n += 4) found.add('rgb(' + data.slice(n, n + 3).join(', ') + ')');
      resolve([...found]);
    };
    image.src = 'data:image/png;base64,${shot}';
  })`);
}
const colourOf = (outcome: string) => find(`getComputedStyle(document.querySelector('#legend .${outcome}')).fill`);
/** The outcomes whose colours are visible in the chart. */
async function outcomesSeen(): Promise<unknown> {
  const seen = [await coloursOf('#chart')].flat();
  const found = [];
  for (const outcome of ROW_OUTCOMES) if (seen.includes(await colourOf(outcome))) found.push(outcome);
  return found;
}

/** The problems that axe finds in the page, each with its first place. */
async function axe(): Promise<unknown> {
  await find(readFileSync(join(import.meta.dirname, 'node_modules/axe-core/axe.min.js'), 'utf8'));
  return find(`axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes[0].html))`);
}

const isWider = () => find('document.documentElement.scrollWidth > innerWidth');

afterEach(async () => {
  // A test that makes the script fail closes its page itself.
  if (watched.page.isClosed()) return;
  expect(await watched.faults()).toEqual([]);
  await watched.page.close();
});

describe('the sign-in', () => {
  it('calls the gateway only after the button is pressed', async () => {
    await openPage();
    await until(`document.activeElement.type === 'password'`);
    expect(watched.paths().sort()).toEqual(['/assets/console.css', '/assets/console.js', '/console']);
    await watched.page.keyboard.press('Enter');
    await untilNotice('form');
    expect(await textOf('form .notice')).toBe(
      Object.values(NOTICES.unknown)
        .map(({ en }) => en)
        .join('\n'),
    );
    expect(watched.paths().filter((path) => path === '/readyz')).toHaveLength(1);
  });

  it("refuses a malformed key without a request, and shows the gateway's message for a wrong one", async () => {
    await openPage();
    await enter('bcg_ two keys');
    await untilNotice('form');
    expect(await textOf('form .notice')).toContain(NOTICES.malformed.title.en);
    expect(watched.paths()).not.toContain('/readyz');
    await enter('bcg_wrong');
    await until(`document.querySelector('form .notice').innerText.startsWith('The caller is unknown')`);
    expect(await textOf('form .notice')).toMatch(/^The caller is unknown\nSend one Authorization header .*\nRequest /);
  });

  it('accepts a key with spaces around it, and stores it nowhere', async () => {
    await openPage();
    await enter(` ${gateway.keyOf('ci-cleaner')} `);
    await untilLoaded();
    const stored = await find('[localStorage.length, sessionStorage.length, document.cookie, location.href]');
    expect(stored).toEqual([0, 0, '', `${gateway.url}/console`]);
    expect(await find(`[...document.querySelectorAll('input')].map(({ value }) => value).join('')`)).toBe('');
    expect(await find(`document.activeElement.innerText`)).toBe(TEXTS.gateway.en);
  });

  it('opens one console, however often the button is pressed', async () => {
    await openPage();
    let held = 0;
    await watched.intercept(async ({ pathname }): Promise<RequestAction> => {
      // The first caller's response comes after the second one's.
      if (pathname === '/readyz' && held++ === 0) await new Promise((resolve) => setTimeout(resolve, 1_000));
      return 'pass';
    });
    await enter(gateway.keyOf('ci-cleaner'));
    await enter(gateway.keyOf('release'));
    await untilLoaded();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await find(`document.querySelectorAll('#console').length`)).toBe(1);
    expect(await textOf('#gateway dl')).toContain('release');
    expect(new Set([await column('history', 3)].flat())).toEqual(new Set(['release']));
  });

  it('ignores a second press of the button', async () => {
    await openPage();
    await watched.intercept(async ({ pathname }): Promise<RequestAction> => {
      if (pathname === '/readyz') await new Promise((resolve) => setTimeout(resolve, 1_000));
      return 'pass';
    });
    await enter(gateway.keyOf('release'));
    await watched.page.keyboard.press('Enter');
    await untilLoaded();
    expect(await textOf('#gateway dl')).toContain('release');
    expect(watched.paths().filter((path) => path === '/readyz')).toHaveLength(1);
  });

  it('lets a caller sign out, and then shows nothing that it saw', async () => {
    await openAs('ci-cleaner');
    await click('#leave');
    await until(`document.activeElement.type === 'password'`);
    expect(await find('document.body.innerText')).not.toContain('m-custom01');
  });
});

describe('behind Cloudflare Access', () => {
  const signIn = async (person: string) =>
    watched.page.setExtraHTTPHeaders({ [HEADER_OF_ACCESS]: await gateway.token(person) });
  const openBehindAccess = async (person: string) => {
    await openPage();
    await signIn(person);
    await enter('');
    await untilLoaded();
  };

  it('an empty field is enough, until the Access session ends', async () => {
    await openBehindAccess('sre');
    expect(await textOf('#gateway dl')).toMatch(/\naccess\n/);
    await watched.page.setExtraHTTPHeaders({});
    await click('#reload');
    await until(`!document.querySelector('form').hidden`);
    expect(await textOf('form .notice')).toContain('The caller is unknown');
    expect(await find(`document.querySelector('#console')`)).toBeNull();
  });

  it('nothing that one person saw remains after another signs in', async () => {
    await openBehindAccess('oncall');
    await signIn('sre');
    await click('#reload');
    await until(`!document.querySelector('form').hidden`);
    expect(await textOf('form .notice')).toContain(NOTICES.other_caller.title.en);
    expect(await find('document.body.innerText')).not.toContain('m-custom01');
  });
});

describe('a caller with one scope', () => {
  it('sees only what it may use, and a list of what is hidden', async () => {
    await openAs('ci-cleaner');
    const headings = `[...document.querySelectorAll('h2')].filter((each) => each.checkVisibility()).map(({ innerText }) => innerText)`;
    expect(await find(headings)).toEqual(['Gateway', 'Open deletions', 'Deletions per day', 'History']);
    expect(await find(`document.querySelector('[name=caller]').checkVisibility()`)).toBe(false);
    expect(await textOf('#hidden-parts')).toBe(
      "Not shown, because you lack the scope: see budgets (metrics:read); preview images (images:read); see everyone's deletions (deletions:read).",
    );
    const files = ['/console', '/assets/console.js', '/assets/console.css'];
    expect(new Set(watched.paths())).toEqual(new Set([...files, '/readyz', '/deletions']));
    expect(await textOf('#open-summary')).toBe(TEXTS.open_none.en);
  });

  it('sees its deletions by day and outcome, in words, in a table and in the chart', async () => {
    await openAs('ci-cleaner');
    const rows = await rowsOf('ci-cleaner', 'limit=500');
    const counts = ROW_OUTCOMES.map(
      (outcome) => [outcome, rows.filter((row) => row['outcome'] === outcome).length] as const,
    ).filter(([, count]) => count > 0);
    const words = counts.map(([outcome, count]) => `${count} ${outcome.replace('_', ' ')}`);
    expect(words.length).toBeGreaterThanOrEqual(4);
    expect(await textOf('#days-summary')).toBe(`Your own, the last 30 days: ${words.join(', ')}.`);
    await click('#days summary');
    const today = rows.filter((row) => String(row['reservedAt']).startsWith(new Date().toISOString().slice(0, 10)));
    const figures = ROW_OUTCOMES.map((outcome) => String(today.filter((row) => row['outcome'] === outcome).length));
    const cells = `[...document.querySelector('#days tbody tr').cells].slice(1).map(({ innerText }) => innerText)`;
    expect(await find(cells)).toEqual(figures);
    expect(await outcomesSeen()).toEqual(counts.map(([outcome]) => outcome));
    // What a mouse finds at the last day.
    const place = await find(`{
      const { right, top } = document.querySelector('#chart').getBoundingClientRect();
      [right - 10, top + 40];
    }`);
    const [x, y] = [place].flat().map(Number);
    await watched.page.mouse.move(x ?? 0, y ?? 0);
    await until(`document.querySelector('#readout').innerText !== ''`);
    expect(await textOf('#readout')).toMatch(/^\d{4}-\d\d-\d\d: .*2 deleted, 1 already absent/);
  });
});

describe('a caller who may read everything', () => {
  it('sees budgets as bars, the fullest first', async () => {
    await openAsOperator();
    expect([await column('budgets', 0)].flat().slice(0, 5)).toEqual([
      'All callers',
      'ci-cleaner',
      'release',
      'bulk',
      'access',
    ]);
    expect([await column('budgets', 2)].flat().slice(0, 4)).toEqual(['5 of 500', '2 of 4', '2 of 20', '1 of 50']);
    const bars = `[...document.querySelectorAll('meter')].map((bar) => [bar.value, bar.max, bar.ariaLabel])`;
    expect(await find(bars)).toContainEqual([2, 4, 'Used by ci-cleaner']);
  });

  it('sees which days were not read, and can read them', async () => {
    await openAsOperator();
    expect(await textOf('#days-summary')).toMatch(
      /^Only the newest 4000 rows were read, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: .*\. Earlier days were not read\.$/,
    );
    await click('#days summary');
    const lines = `[...document.querySelectorAll('#days tbody tr')].map((row) => [...row.cells].map(({ innerText }) => innerText))`;
    const days = [await find(lines)].flat().map((line) => [line].flat().map(String));
    const unread = days.filter(([, ...counts]) => counts.every((count) => count === 'not read'));
    expect(unread.length).toBeGreaterThan(0);
    // Newest first: the last day read was read only in part.
    expect(days.at(-1 - unread.length)?.[0]).toMatch(/^\d{4}-\d\d-\d\d \(partly read\)$/);
    expect(await find(`document.querySelectorAll('#chart .unread').length`)).toBe(unread.length);
    await click('#more-days');
    await until(`document.querySelector('#days-summary').innerText.startsWith('All callers, the last 30 days')`);
    expect(
      await find(`[document.querySelector('#more-days').hidden, document.querySelectorAll('#chart .unread').length]`),
    ).toEqual([true, 0]);
    expect(await textOf('#days tbody')).not.toContain('not read');
  });

  it('sees open deletions, and those that Baidu confirmed but did not do', async () => {
    await openAsOperator();
    expect(await textOf('#open-summary')).toBe(TEXTS.open_one.en);
    expect([await column('open', 1), await column('open', 3)]).toEqual([['m-custom04'], ['upstream_error']]);
    expect(await textOf('#disproved')).toBe(
      'Baidu confirmed 1 of the deletions above, but a later check found the image: m-custom03.',
    );
    expect([await column('history', 1)].flat()).toContain('deleted\nconfirmed by Baidu; still there at the last check');
  });

  it('pages through the history, forward and back', async () => {
    await openAsOperator();
    const ids = (await rowsOf(READER, 'limit=100')).map((row) => row['requestId']);
    const buttons = `[document.querySelector('#newer').disabled, document.querySelector('#older').disabled]`;
    expect([await requestIds(), await find(buttons)]).toEqual([ids.slice(0, 50), [true, false]]);
    await click('#older');
    await until(`document.querySelector('#range').innerText === 'Deletions 51 to 100'`);
    expect([await requestIds(), await find(buttons)]).toEqual([ids.slice(50, 100), [false, false]]);
    await click('#newer');
    await until(`document.querySelector('#range').innerText === 'Deletions 1 to 50'`);
    expect(await requestIds()).toEqual(ids.slice(0, 50));
  });

  it('finds every field of a deletion in its row', async () => {
    await openAsOperator();
    const [row] = await rowsOf(READER, 'imageId=m-shared01&limit=1');
    await fill('#history [name=imageId]', 'm-shared01');
    await watched.page.keyboard.press('Enter');
    await until(
      `[...document.querySelectorAll('#history tbody tr')].every((row) => row.innerText.includes('m-shared01'))`,
    );
    await click('#history tbody details');
    const text = String(await textOf('#history tbody tr'));
    for (const [name, value] of Object.entries(row ?? {})) {
      if (typeof value === 'string' && name.endsWith('At'))
        expect(text).toContain(value.slice(0, 19).replace('T', ' '));
      else if (name === 'outcome') expect(text).toContain(String(value).replace('_', ' '));
      else if (typeof value === 'string' || typeof value === 'number') expect(text, name).toContain(String(value));
    }
    for (const key of ['member_confirmed', 'member_verified', 'member_attempts'] as const)
      expect(text).toContain(TEXTS[key].en);
  });

  it('filters the history by every filter of the API, with Enter, and clears the filters', async () => {
    await openAsOperator();
    const [row] = await rowsOf(READER, 'imageId=m-system01&limit=1');
    const at = String(row?.['reservedAt']);
    const fields = { since: at.slice(0, 16), until: new Date(Date.parse(at) + 60_000).toISOString().slice(0, 16) };
    await fill('#history [name=caller]', 'ci-cleaner');
    await fill('#history [name=imageId]', ' m-system01 ');
    await fill('#history [name=requestId]', String(row?.['requestId']));
    await watched.page.select('#history [name=outcome]', 'rejected');
    for (const [name, value] of Object.entries(fields))
      await find(`document.querySelector('#history [name=${name}]').value = '${value}'`);
    const answered = watched.page.waitForResponse((response) => response.url().includes('requestId='));
    await watched.page.focus('#history [name=caller]');
    await watched.page.keyboard.press('Enter');
    expect(Object.fromEntries(new URL((await answered).url()).searchParams)).toEqual({
      limit: '500',
      caller: 'ci-cleaner',
      imageId: 'm-system01',
      requestId: row?.['requestId'],
      outcome: 'rejected',
      since: `${fields.since}:00.000Z`,
      until: `${fields.until}:00.000Z`,
    });
    await until(`document.querySelector('#range').innerText === 'Deletions 1 to 1'`);
    expect(await requestIds()).toEqual([row?.['requestId']]);
    await click('#clear');
    await until(`document.querySelector('#range').innerText === 'Deletions 1 to 50'`);
  });

  it('does not page through the old list while a new filter loads', async () => {
    await openAsOperator();
    await watched.intercept(async ({ searchParams }): Promise<RequestAction> => {
      if (searchParams.has('imageId')) await new Promise((resolve) => setTimeout(resolve, 1_000));
      return 'pass';
    });
    await fill('#history [name=imageId]', 'm-system01');
    await click('#history form [type=submit]');
    await click('#older');
    await until(`document.querySelector('#history').ariaBusy === 'false'`);
    const images = [await column('history', 2)].flat().map((text) => String(text).split('\n')[0]);
    expect(new Set(images)).toEqual(new Set(['m-system01']));
  });

  it('says what is wrong with a filter, and continues', async () => {
    await openAsOperator();
    await find(`document.querySelector('#history [name=since]').value = '12026-11-25T08:00'`);
    await find(`document.querySelector('#history form').requestSubmit()`);
    await untilNotice('#history');
    expect(await textOf('#history .notice')).toBe(
      Object.values(NOTICES.filter_time)
        .map(({ en }) => en)
        .join('\n'),
    );
    await find(`document.querySelector('#history [name=since]').value = ''`);
    await fill('#history [name=imageId]', 'i-1');
    await click('#history form [type=submit]');
    await until(`document.querySelector('#history .notice').innerText.startsWith('The request')`);
    await fill('#history [name=imageId]', '');
    await click('#history form [type=submit]');
    await until(`document.querySelector('#history .notice').innerText === ''`);
    expect(await textOf('#range')).toBe('Deletions 1 to 50');
  });

  it('sees an image that it picks from a table, and what prevents its deletion', async () => {
    await openAsOperator();
    await click('#history td button[value=m-shared01]');
    await until(`document.querySelector('#image dl').innerText !== ''`);
    const text = await textOf('#image dl');
    expect(text).toMatch(/^Name\ngolden-base$/m);
    expect(text).toMatch(/^You could delete it now\nno$/m);
    expect(text).toMatch(/^image_shared: Stop sharing/m);
    expect(await find('document.activeElement.value')).toBe('m-shared01');
  });

  it('sees on request that Baidu accepts the credential and has the control', async () => {
    await openAsOperator();
    expect(await textOf('#gateway dl')).toMatch(/^Baidu accepts that key\nnot asked$/m);
    await click('#probe');
    await until(`document.querySelector('#status').innerText === 'Baidu accepts the key'`);
    expect(await textOf('#gateway dl')).toMatch(/^Baidu accepts that key\nyes$/m);
    expect(await textOf('#gateway dl')).toMatch(/^Protected image, read as a control\nfound: /m);
    expect(watched.requests.filter(({ url }) => url.endsWith('/readyz?upstream=true'))).toHaveLength(1);
  });

  it('sees each time in UTC and in its own time zone', async () => {
    await openPage();
    await watched.page.emulateTimezone('Asia/Shanghai');
    await enter(gateway.keyOf(operator()));
    await untilLoaded();
    const [row] = await rowsOf(READER, 'limit=1');
    const at = Date.parse(String(row?.['reservedAt']));
    const shown = (ms: number) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
    expect([await column('history', 0)].flat()[0]).toBe(`${shown(at)}\n${shown(at + 8 * HOUR_MS)}\nDetails`);
  });

  it('sees values from the API as visible text, never as HTML', async () => {
    await openAsOperator();
    expect(await column('history', 2)).toContain(`m-hostile1\n${HOSTILE_NAME}`);
    expect(await column('history', 2)).toContain(`m-hostile2\n${DECEPTIVE_NAME[1]}`);
    await click('#history td button[value=m-hostile2]');
    await until(`document.querySelector('#image dl').innerText !== ''`);
    expect(await textOf('#image dl')).toContain(DECEPTIVE_NAME[1]);
    expect(await find('document.body.textContent')).not.toMatch(/[\u202e\u200b]/);
    expect(await find(`document.querySelectorAll('img').length`)).toBe(0);
  });
});

describe('reloading', () => {
  it('loads everything, and marks as old what could not be loaded', async () => {
    await openAs('scraper');
    const before = watched.requests.length;
    let failing: string[] = [];
    await watched.intercept(({ pathname }) => (failing.includes(pathname) ? 'fail' : 'pass'));
    await click('#reload');
    await untilLoaded();
    const again = watched.requests.slice(before).map(({ url }) => new URL(url).pathname);
    expect(new Set(again)).toEqual(new Set(['/readyz', '/metrics', '/deletions']));

    failing = ['/metrics'];
    await click('#reload');
    await until(`document.querySelector('#status').innerText === '${TEXTS.partly_loaded.en}'`);
    expect(await textOf('#budgets .notice')).toContain(NOTICES.lost.title.en);
    expect(await textOf('#budgets .old')).toMatch(
      /^As of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\. It could not be reloaded\.$/,
    );
    expect([await column('budgets', 2)].flat()).toContain('2 of 4');
    expect(await textOf('#history .old')).toBe('');

    failing = [];
    await click('#reload');
    await untilLoaded();
    expect([await textOf('#budgets .old'), await textOf('#budgets .notice')]).toEqual(['', '']);
  });
});

describe('when something fails', () => {
  const answer = (status: number, body: string): RequestAction => ({ status, contentType: 'text/html', body });

  it.each<[string, RequestAction]>([
    ['does not load', 'fail'],
    ['throws', { status: 200, contentType: 'text/javascript', body: 'throw new Error("x")' }],
  ])('the page says so in both languages if its script %s', async (_how, action) => {
    watched = await WatchedPage.create(browser, gateway.url);
    await watched.intercept(({ pathname }) => (pathname === '/assets/console.js' ? action : 'pass'));
    await watched.page.goto(`${gateway.url}/console`);
    await watched.passTime();
    expect(await find(`document.querySelector('#broken').checkVisibility({ visibilityProperty: true })`)).toBe(true);
    expect(await textOf('#broken')).toBe(`${TEXTS.no_start.en}\n${TEXTS.no_start.zh}`);
    await watched.page.close();
  });

  it('the page says so without JavaScript, and has the same English texts as the table', async () => {
    watched = await WatchedPage.create(browser, gateway.url);
    await watched.page.setJavaScriptEnabled(false);
    await watched.page.goto(`${gateway.url}/console`);
    expect(await textOf('main')).toBe(`${TEXTS.no_script.en}\n${TEXTS.no_script.zh}`);
    const texts = await find(`[document, document.querySelector('template').content].flatMap((root) =>
      [...root.querySelectorAll('[data-text]')].map((each) => {
        const [key, attribute] = each.dataset.text.split(' ');
        return [key, attribute ? each.getAttribute(attribute) : each.textContent];
      }))`);
    const english: Record<string, string> = Object.fromEntries(Object.entries(TEXTS).map(([key, { en }]) => [key, en]));
    const found = [texts].flat();
    expect(found.length).toBeGreaterThan(30);
    for (const entry of found) expect(english[String([entry].flat()[0])]).toBe([entry].flat()[1]);
    await watched.page.close();
  });

  it('the page works without its style', async () => {
    watched = await WatchedPage.create(browser, gateway.url);
    await watched.intercept(({ pathname }) => (pathname === '/assets/console.css' ? 'fail' : 'pass'));
    await watched.page.goto(`${gateway.url}/console`);
    await enter(gateway.keyOf('release'));
    await untilLoaded();
    expect(await textOf('#broken')).toBe('');
    expect([await column('history', 3)].flat()).toContain('release');
  });

  it('each section says so in its place, and the others are shown', async () => {
    let failing = '';
    const actions: Readonly<Record<string, RequestAction>> = {
      '/metrics': answer(502, '<h1>Bad Gateway</h1>'),
      '/images/m-shared01': 'fail',
      '/deletions': answer(200, '{"deletions":[{}]}'),
      '/readyz': answer(503, 'x'),
    };
    await openPage();
    await watched.intercept(({ pathname }) => (pathname === failing ? (actions[pathname] ?? 'pass') : 'pass'));
    failing = '/readyz';
    await enter(gateway.keyOf(READER));
    await untilNotice('form');
    expect(await textOf('form .notice')).toContain(`${NOTICES.foreign.title.en}\nIts status is 503.`);

    failing = '/metrics';
    await enter(gateway.keyOf(operator()));
    await until(`document.querySelector('#status').innerText === '${TEXTS.partly_loaded.en}'`);
    expect(await textOf('#budgets .notice')).toContain('Its status is 502.');
    expect([await column('open', 1), await textOf('#days .notice')]).toEqual([['m-custom04'], '']);

    failing = '/images/m-shared01';
    await click('#history td button[value=m-shared01]');
    await untilNotice('#image');
    expect(await textOf('#image .notice')).toContain(NOTICES.lost.title.en);

    failing = '/deletions';
    await click('#reload');
    await until(`document.querySelector('#status').innerText === '${TEXTS.partly_loaded.en}'`);
    for (const section of ['open', 'days', 'history']) {
      expect(await textOf(`#${section} .notice`)).toContain(NOTICES.foreign.title.en);
      expect(await textOf(`#${section} .old`)).not.toBe('');
    }
    expect(await textOf('#budgets .notice')).toBe('');
  });

  it('the table of days is shown even if the chart cannot be drawn', async () => {
    watched = await WatchedPage.create(browser, gateway.url);
    await watched.page.evaluateOnNewDocument(`document.createElementNS = () => { throw new Error('no shapes'); };`);
    await watched.page.goto(`${gateway.url}/console`);
    await enter(gateway.keyOf('release'));
    await until(`document.querySelector('#status').innerText !== '${TEXTS.loading.en}'`);
    expect(await textOf('#days-summary')).toMatch(/^Your own, the last 30 days: .*deleted/);
    expect([await column('days', 1)].flat()).toHaveLength(30);
  });
});

describe('a person whose system is in', () => {
  const inBrowserOf = async (language: string, see: (own: Browser) => Promise<void>) => {
    const own = await launchChromium(language);
    try {
      await see(own);
      expect(await watched.faults()).toEqual([]);
    } finally {
      await own.close();
    }
  };

  it('an invalid language (en-US@posix), light, at 1280 px, sees everything', () =>
    inBrowserOf('en-US@posix', async (own) => {
      await openAs('release', SCREEN, own);
      expect(await find('navigator.language')).toBe('en-US@posix');
      expect([await textOf('#console h2'), await isWider()]).toEqual(['Gateway', false]);
      expect(await outcomesSeen()).toEqual(['deleted', 'not_attempted', 'not_deleted', 'unknown']);
      // No row of sections has a gap, and no filter button is alone in its row.
      const edges = `[...document.querySelectorAll('#console > section')].filter((each) => each.checkVisibility())
        .map((each) => each.getBoundingClientRect().right)`;
      expect(new Set([await find(edges)].flat()).size).toBe(1);
      const heights = `[...document.querySelectorAll('#history .buttons > *')].map((each) => each.getBoundingClientRect().top)`;
      expect([await find(heights)].flat().length).toBe(5);
    }));

  it('Chinese, dark, at 390 px, reads Chinese everywhere', () =>
    inBrowserOf('zh-CN', async (own) => {
      await openPage(PHONE, own);
      await watched.emulateMedia({ 'prefers-color-scheme': 'dark' });
      expect(await axe()).toEqual([]);
      await enter(gateway.keyOf(operator()));
      await untilLoaded();
      expect(await find('[document.documentElement.lang, document.title]')).toEqual(['zh-CN', TEXTS.page_title.zh]);
      expect(await textOf('#open-summary')).toBe(TEXTS.open_one.zh);
      expect(await isWider()).toBe(false);
      // Only names, numbers and codes are not Chinese.
      await click('#history td button[value=m-shared01]');
      await until(`document.querySelector('#image dl').innerText !== ''`);
      const english = `[...document.querySelectorAll('h2, dt, caption, label, button:not(td button), summary, th[scope=col], li')]
        .map((each) => each.innerText).filter((text) => text && !/\\p{Script=Han}/u.test(text))`;
      expect(await find(english)).toEqual([]);
      expect(await axe()).toEqual([]);
      // One day has so many that other outcomes are too low to see.
      expect(await outcomesSeen()).toEqual(['deleted']);
    }));

  it('Arabic, in forced colours, at 1920 px, sees the chart and reads English', () =>
    inBrowserOf('ar-EG', async (own) => {
      await openAs('ci-cleaner', WIDE, own);
      await watched.emulateMedia({ 'forced-colors': 'active', 'prefers-color-scheme': 'dark' });
      expect(await find(`matchMedia('(forced-colors: active)').matches`)).toBe(true);
      expect([await find('document.documentElement.lang'), await isWider()]).toEqual(['en', false]);
      expect(await outcomesSeen()).toEqual(['deleted', 'already_absent', 'rejected', 'not_attempted']);
      expect(await axe()).toEqual([]);
    }));
});

describe('the page', () => {
  it('prints its chart in light colours, without what only a screen needs', async () => {
    await openAs('release');
    await watched.emulateMedia({ 'prefers-color-scheme': 'dark' });
    const pdf = Buffer.from(await watched.page.pdf({ format: 'a4' }));
    const colours = coloursInPdf(pdf);
    await watched.emulateMedia({ 'prefers-color-scheme': 'light' });
    for (const outcome of ['deleted', 'not_attempted', 'not_deleted', 'unknown']) {
      expect(colours, outcome).toContain(await colourOf(outcome));
    }
    await watched.emulateMedia({}, 'print');
    expect(await find(`document.querySelector('#history form').checkVisibility()`)).toBe(false);
    expect(await find(`document.querySelector('#chart').checkVisibility()`)).toBe(true);
    await watched.emulateMedia({});
  });

  it('follows a change between light and dark, and of the window width', async () => {
    await openAs('release');
    const light = await colourOf('unknown');
    expect(await coloursOf('#chart')).toContain(light);
    await watched.emulateMedia({ 'prefers-color-scheme': 'dark' });
    const dark = await colourOf('unknown');
    expect(dark).not.toBe(light);
    expect(await coloursOf('#chart')).toContain(dark);
    await watched.page.setViewport({ width: 320, height: 640 });
    expect([await isWider(), await find(`document.querySelector('#chart svg').clientWidth < 320`)]).toEqual([
      false,
      true,
    ]);
    expect(await coloursOf('#chart')).toContain(dark);
  });

  it('has a focus order and visible focus for keyboards, and no focus ring covers a label', async () => {
    await openAs('release');
    const stops: unknown[] = [];
    for (let n = 0; n < 16; n++) {
      await watched.page.keyboard.press('Tab');
      stops.push(
        await find(`{
          const { innerText, name, tagName, previousElementSibling: before } = document.activeElement;
          const { outlineStyle, outlineWidth, outlineOffset } = getComputedStyle(document.activeElement);
          const ring = parseFloat(outlineWidth) + parseFloat(outlineOffset);
          const isCovered = before?.matches('label > span') &&
            before.getBoundingClientRect().bottom > document.activeElement.getBoundingClientRect().top - ring + 0.5;
          outlineStyle === 'none' ? 'no focus to be seen' : isCovered ? 'a label is covered' : name || innerText || tagName;
        }`),
      );
    }
    expect(stops.slice(0, 3)).toEqual(['Load again', 'Ask Baidu', 'Sign out']);
    expect(stops).not.toContain('no focus to be seen');
    expect(stops).not.toContain('a label is covered');
    const order = [TEXTS.days_table.en, TEXTS.image_preview.en, 'imageId', 'outcome'].map((stop) =>
      stops.indexOf(stop),
    );
    expect(order).not.toContain(-1);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  it('has no problem that axe finds, before and after sign-in', async () => {
    await openPage();
    await until(`document.activeElement.type === 'password'`);
    expect(await axe()).toEqual([]);
    await enter(gateway.keyOf(operator()));
    await untilLoaded();
    await click('#days summary');
    await click('#history tbody details');
    expect(await axe()).toEqual([]);
  });

  it('has landmarks, headings, captions and names for screen readers', async () => {
    await openAs('release');
    const tree = await watched.page.accessibility.snapshot({ interestingOnly: false });
    const found: string[] = [];
    const walk = (node: unknown): void => {
      if (!isRecord(node)) return;
      found.push(`${String(node['role'])} ${String(node['name'] ?? '')}`.trim());
      listOf(node['children']).forEach(walk);
    };
    walk(tree);
    const names = [
      'banner',
      'main',
      'navigation Pages',
      'heading Gateway',
      'region History',
      'region Table of deletions',
      'status',
    ];
    for (const name of names)
      expect(
        found.some((each) => each.startsWith(name)),
        name,
      ).toBe(true);
    expect(found).toContain('table Deletions, newest first');
    expect(found).toContain('image Deletions per day');
    expect(found.filter((each) => /^(?:button|textbox|combobox|link)$/.test(each))).toEqual([]);
  });

  it('links to the API description, which links back', async () => {
    await openPage();
    expect(await find(`document.querySelector('nav a').getAttribute('href')`)).toBe('/docs');
    const docs = await (await fetch(`${gateway.url}/docs`)).text();
    expect(docs).toContain('href="/console"');
  });
});

/** The fill colours in a PDF, as CSS writes them. */
function coloursInPdf(pdf: Buffer): string[] {
  const found = new Set<string>();
  for (const [stream] of streamsIn(pdf)) {
    for (const [, ...channels] of stream.matchAll(/(\S+) (\S+) (\S+) rg\b/g)) {
      found.add(`rgb(${channels.map((channel) => Math.round(Number(channel) * 255)).join(', ')})`);
    }
  }
  return [...found];
}

function* streamsIn(pdf: Buffer): Generator<[string]> {
  let start = 0;
  for (;;) {
    const begin = pdf.indexOf('stream\n', start);
    if (begin < 0) return;
    const end = pdf.indexOf('\nendstream', begin);
    try {
      yield [inflateSync(pdf.subarray(begin + 'stream\n'.length, end)).toString('latin1')];
    } catch {
      // A stream that is not compressed draws nothing.
    }
    start = end + 'endstream'.length;
  }
}
