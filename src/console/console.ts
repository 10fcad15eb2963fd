/**
 * The sections of the console, each with its own request to the gateway.
 *
 * Promises: requests only what the caller may see; of two responses for one section, shows the one to the later request; a failing
 * section reports it in place and does not affect the others; marks data that could not be reloaded as old. Never: shows another
 * caller's rows after somebody else has signed in.
 */
import type { DeletionsFilter, ImageGateway, Readiness } from '../client/index.ts';
import { isImageId } from '../worker/image-id.ts';
import { ROW_OUTCOMES } from '../worker/outcome.ts';
import { callerCell, detailsOf, imageCell, outcomeCell, timeCell, timeHeading, timeNow } from './cells.ts';
import { drawChart, swatch } from './chart.ts';
import { announce, element, fillList, fillTable, find, foreign, showNotice } from './dom.ts';
import { imageEntries, readinessEntries } from './entries.ts';
import { FilterError, filterOf } from './filter.ts';
import { isEnded, noticeOf, signsOut } from './notices.ts';
import { OtherCallerError, Reading } from './reading.ts';
import { timeAt } from './shown.ts';
import { budgetsIn, countByDay, type Day, lastDays, totalsOf } from './summary.ts';
import type { Notice, TextKey, Texts } from './texts.ts';

const DAYS = 30;
/** Eight pages. With the other requests, a load takes 13 of the 20 that a caller may send in ten seconds. */
const ROWS_TO_COUNT = 4_000;
const MAX_OPEN_ROWS = 100;
const ROWS_ON_PAGE = 50;

type Section = 'gateway' | 'budgets' | 'open' | 'days' | 'image' | 'history';

export interface ConsoleContext {
  readonly images: ImageGateway;
  /** Aborted when the caller signs out. */
  readonly signal: AbortSignal;
  readonly texts: Texts;
  readonly leave: (notice: Notice | null) => void;
}

export class Console {
  readonly #root: HTMLElement;
  readonly #images: ImageGateway;
  readonly #signal: AbortSignal;
  readonly #texts: Texts;
  readonly #leave: ConsoleContext['leave'];
  readonly #latest = new Map<Section, symbol>();
  /** When each section was last loaded, in words. */
  readonly #loadedAt = new Map<Section, string>();
  #caller = '';
  #scopes: readonly string[] = [];
  #days: Reading | null = null;
  #history: Reading | null = null;
  /** The index of the first row of the history on screen. */
  #from = 0;

  constructor(root: HTMLElement, { images, signal, texts, leave }: ConsoleContext) {
    this.#root = root;
    this.#images = images;
    this.#signal = signal;
    this.#texts = texts;
    this.#leave = leave;
    const outcomes = ROW_OUTCOMES.map((outcome) => element('option', { value: outcome }, texts.outcome(outcome)));
    find(root, 'select', HTMLSelectElement).append(...outcomes);
    const legend = ROW_OUTCOMES.map((outcome) => element('li', {}, swatch(outcome), texts.outcome(outcome)));
    find(root, '#legend', HTMLElement).append(...legend);
    this.#on('#reload', 'click', () => this.#reload());
    this.#on('#probe', 'click', () => this.#probe());
    this.#on('#leave', 'click', () => leave(null));
    this.#on('#more-days', 'click', () => this.#run('days', () => this.#readDays()));
    this.#on('#newer', 'click', () => this.#run('history', () => this.#turnTo(this.#from - ROWS_ON_PAGE)));
    this.#on('#older', 'click', () => this.#run('history', () => this.#turnTo(this.#from + ROWS_ON_PAGE)));
    this.#on('#history form', 'submit', () => this.#run('history', () => this.#readHistory()));
    this.#on('#image form', 'submit', () => this.#run('image', () => this.#preview()));
    this.#on('#clear', 'click', () => {
      find(root, '#history form', HTMLFormElement).reset();
      return this.#run('history', () => this.#readHistory());
    });
    root.addEventListener('click', ({ target }) => {
      // An image in a table is a button whose value is its id.
      const button = target instanceof Element ? target.closest('td button') : null;
      if (!(button instanceof HTMLButtonElement)) return;
      const field = find(root, '#image input', HTMLInputElement);
      field.value = button.value;
      field.focus();
      void this.#run('image', () => this.#preview());
    });
  }

  /** Shows the caller, and loads everything it may see. */
  async show(ready: Readiness): Promise<void> {
    this.#caller = ready.caller;
    announce(this.#texts.say('loading'));
    const isShown = await this.#run('gateway', async () => () => this.#showGateway(ready));
    this.#sayLoaded([isShown, ...(await this.#loadSections())]);
  }

  async #reload(): Promise<void> {
    announce(this.#texts.say('loading'));
    const isReady = await this.#run('gateway', async () => {
      const ready = await this.#images.readiness({ signal: this.#signal });
      if (ready.caller !== this.#caller) throw new OtherCallerError();
      return () => this.#showGateway(ready);
    });
    if (!this.#signal.aborted) this.#sayLoaded([isReady, ...(await this.#loadSections())]);
  }

  #loadSections(): Promise<boolean[]> {
    return Promise.all([
      this.#may('metrics:read') ? this.#run('budgets', () => this.#readBudgets()) : true,
      this.#run('days', () => this.#readDays(true)),
      this.#run('open', () => this.#readOpen()),
      this.#run('history', () => this.#readHistory()),
    ]);
  }

  #sayLoaded(areShown: readonly boolean[]): void {
    if (this.#signal.aborted) return;
    if (areShown.every((isShown) => isShown)) announce(this.#texts.say('loaded', { time: timeNow() }));
    else announce(this.#texts.say(areShown.some((isShown) => isShown) ? 'partly_loaded' : 'not_loaded'));
  }

  /**
   * Reads a section's data and shows it, unless a newer request for the section has begun meanwhile. Shows a failure in the section.
   * Returns `false` on failure.
   */
  async #run(section: Section, read: () => Promise<() => void>): Promise<boolean> {
    const question = Symbol();
    this.#latest.set(section, question);
    const isOutdated = () => this.#signal.aborted || this.#latest.get(section) !== question;
    const part = this.#part(section);
    part.ariaBusy = 'true';
    try {
      const show = await read();
      if (isOutdated()) return true;
      show();
      showNotice(part, null, this.#texts);
      this.#loadedAt.set(section, timeNow());
      this.#markOld(section, false);
      return true;
    } catch (thrown) {
      if (isOutdated() || isEnded(thrown, this.#signal)) return true;
      if (thrown instanceof OtherCallerError) this.#leave(this.#texts.notice('other_caller'));
      else if (signsOut(thrown)) this.#leave(noticeOf(thrown, this.#texts));
      else {
        const isFilter = thrown instanceof FilterError;
        showNotice(part, isFilter ? this.#texts.notice('filter_time') : noticeOf(thrown, this.#texts), this.#texts);
        this.#markOld(section, !isFilter);
      }
      return false;
    } finally {
      if (!isOutdated()) part.ariaBusy = 'false';
    }
  }

  /** Marks a section's data as old, because it could not be reloaded. */
  #markOld(section: Section, isOld: boolean): void {
    const time = this.#loadedAt.get(section);
    const part = this.#part(section);
    const place = part.querySelector('.old');
    part.classList.toggle('is-old', isOld && time !== undefined);
    if (place !== null) place.textContent = isOld && time !== undefined ? this.#texts.say('old', { time }) : '';
  }

  async #probe(): Promise<void> {
    announce(this.#texts.say('probing'));
    const isAccepted = await this.#run('gateway', async () => {
      const ready = await this.#images.readiness({ upstream: true, signal: this.#signal });
      if (ready.caller !== this.#caller) throw new OtherCallerError();
      return () => this.#showGateway(ready);
    });
    if (!this.#signal.aborted) announce(isAccepted ? this.#texts.say('probed') : '');
  }

  #showGateway(ready: Readiness): void {
    const { say } = this.#texts;
    this.#scopes = ready.scopes;
    fillList(this.#part('gateway'), readinessEntries(ready, this.#texts));
    const missing: string[] = [];
    for (const place of this.#root.querySelectorAll<HTMLElement>('[data-scope]')) {
      const scope = place.dataset['scope'] ?? '';
      place.hidden = !this.#may(scope);
      if (place.hidden) missing.push(this.#texts.right(scope));
    }
    const parts = [...new Set(missing)].join('; ');
    this.#say('#hidden-parts', parts === '' ? '' : say('hidden_parts', { parts }));
  }

  async #readBudgets(): Promise<() => void> {
    const { say } = this.#texts;
    const metrics = await this.#images.metrics({ signal: this.#signal });
    const rows = budgetsIn(metrics).map(({ caller, used, limit }) => {
      const name = caller || say('all_callers');
      const scale = { max: `${Math.max(limit, 1)}`, high: `${limit * 0.8}`, optimum: '0' };
      const label = say('budget_bar', { caller: name });
      const bar = used === null ? '' : element('meter', { ...scale, value: `${used}`, 'aria-label': label });
      return [foreign(name), bar, say('budget_used', { used: used ?? say('unknown_value'), limit })];
    });
    const headings = [say('column_caller'), say('column_share'), say('column_used')];
    return () => fillTable(this.#part('budgets'), headings, rows);
  }

  /** Reads the days from the start, or continues the last reading. */
  async #readDays(isAnew = false): Promise<() => void> {
    const days = lastDays(DAYS, Date.now());
    const goesOn = !isAnew && this.#days !== null && !this.#days.isBroken;
    const reading = goesOn && this.#days !== null ? this.#days : this.#begin({ since: `${days[0]}T00:00:00Z` });
    await reading.pull(reading.rows.length + ROWS_TO_COUNT);
    return () => {
      this.#days = reading;
      this.#showDays(reading, days);
    };
  }

  #showDays({ rows, isOver }: Reading, days: readonly string[]): void {
    const { say } = this.#texts;
    const part = this.#part('days');
    const last = isOver ? undefined : rows.at(-1);
    const counted = countByDay(rows, days, last?.reservedAt ?? null);
    const facts = { days: DAYS, rows: rows.length, counts: this.#countsIn(counted) };
    const whose = say(this.#may('deletions:read') ? 'days_all' : 'days_own', facts);
    const cut = last && say('days_cut', { ...facts, time: timeAt(Date.parse(last.reservedAt), 0) });
    this.#say('#days-summary', cut ?? whose);
    const disproved = rows.filter(({ verified }) => verified === false);
    const images = [...new Set(disproved.map(({ imageId }) => imageId))].join(', ');
    this.#say('#disproved', images === '' ? '' : say('disproved', { count: disproved.length, images }));
    find(this.#root, '#more-days', HTMLElement).hidden = last === undefined;
    const lines = counted.map((day) => [
      day.isPartial ? say('day_partial', { counts: day.day }) : day.day,
      ...ROW_OUTCOMES.map((_, n) => (day.counts === null ? say('day_unread') : String(day.counts[n]))),
    ]);
    const outcomes = ROW_OUTCOMES.map((outcome) => this.#texts.outcome(outcome));
    fillTable(part, [say('column_day'), ...outcomes], lines.reverse());
    const describe = (day: Day) => `${day.day}: ${this.#describe(day)}`;
    const chart = find(this.#root, '#chart', HTMLElement);
    try {
      drawChart(chart, counted, { describe, onDay: (day) => this.#say('#readout', describe(day)) });
    } catch (thrown) {
      // The table shows the same figures.
      chart.replaceChildren(noticeOf(thrown, this.#texts).title);
      find(part, 'details', HTMLDetailsElement).open = true;
    }
  }

  #describe(day: Day): string {
    if (day.counts === null) return this.#texts.say('day_unread');
    const counts = this.#countsIn([day]);
    return day.isPartial ? this.#texts.say('day_partial', { counts }) : counts;
  }

  /** For example `12 deleted, 1 unknown`. */
  #countsIn(days: readonly Day[]): string {
    const totals = totalsOf(days).map(([outcome, total]) => `${total} ${this.#texts.outcome(outcome)}`);
    return totals.join(', ') || this.#texts.say('no_deletions');
  }

  async #readOpen(): Promise<() => void> {
    const { say } = this.#texts;
    const reading = this.#begin({ outcome: 'unknown' });
    await reading.pull(MAX_OPEN_ROWS + 1);
    return () => {
      const rows = reading.rows.slice(0, MAX_OPEN_ROWS);
      const count = reading.rows.length > rows.length ? say('open_more', { count: rows.length }) : rows.length;
      this.#say(
        '#open-summary',
        rows.length < 2 ? say(rows.length === 0 ? 'open_none' : 'open_one') : say('open_many', { count }),
      );
      const headings: TextKey[] = [timeHeading(), 'column_image', 'column_caller', 'column_code', 'filter_request'];
      const lines = rows.map((row) => [
        timeCell(row.reservedAt),
        imageCell(row, this.#may('images:read')),
        callerCell(row),
        foreign(row.code ?? ''),
        foreign(row.requestId),
      ]);
      fillTable(this.#part('open'), rows.length === 0 ? [] : headings.map((key) => say(key)), lines);
    };
  }

  /** Reads the first page with the current filters. */
  async #readHistory(): Promise<() => void> {
    // No paging until it is read: the list on screen may belong to other filters.
    this.#history = null;
    const reading = this.#begin(this.#filter());
    await reading.pull(ROWS_ON_PAGE + 1);
    return () => this.#showHistory(reading, 0);
  }

  async #turnTo(from: number): Promise<() => void> {
    const reading = this.#history;
    if (reading === null || reading.isBroken) return this.#readHistory();
    await reading.pull(from + ROWS_ON_PAGE + 1);
    return () => {
      this.#showHistory(reading, from);
      announce(find(this.#root, '#range', HTMLElement).textContent ?? '');
    };
  }

  #showHistory(reading: Reading, from: number): void {
    const { say } = this.#texts;
    this.#history = reading;
    this.#from = from;
    const rows = reading.rows.slice(from, from + ROWS_ON_PAGE);
    find(this.#root, '#newer', HTMLButtonElement).disabled = from === 0;
    find(this.#root, '#older', HTMLButtonElement).disabled = reading.rows.length <= from + ROWS_ON_PAGE;
    const range = { from: from + 1, to: from + rows.length };
    this.#say('#range', rows.length === 0 ? say('history_empty') : say('history_range', range));
    const headings: TextKey[] = [timeHeading(), 'column_outcome', 'column_image', 'column_caller', 'column_code'];
    const lines = rows.map((row) => {
      const first = element('div', {}, timeCell(row.reservedAt), detailsOf(row, this.#texts));
      const image = imageCell(row, this.#may('images:read'));
      return [first, outcomeCell(row, this.#texts), image, callerCell(row), foreign(row.code ?? '')];
    });
    fillTable(this.#part('history'), rows.length === 0 ? [] : headings.map((key) => say(key)), lines);
  }

  #filter(): DeletionsFilter {
    const form = find(this.#root, '#history form', HTMLFormElement);
    // An incomplete date has no value, and must not count as blank.
    if ([...form.querySelectorAll('input')].some(({ validity }) => validity.badInput)) throw new FilterError();
    const fields = new FormData(form);
    return filterOf((name) => String(fields.get(name) ?? ''));
  }

  async #preview(): Promise<() => void> {
    const part = this.#part('image');
    const { say } = this.#texts;
    fillList(part, []);
    const id = find(part, 'input', HTMLInputElement).value.trim();
    if (!isImageId(id)) return () => fillList(part, [[say('image_id'), say('image_rule')]]);
    const image = await this.#images.previewImage(id, { signal: this.#signal });
    return () => fillList(part, imageEntries(image, this.#texts));
  }

  #begin(filter: DeletionsFilter): Reading {
    const source = this.#images.deletions(filter, { signal: this.#signal });
    return new Reading(source, this.#may('deletions:read') ? null : this.#caller);
  }

  #may(scope: string): boolean {
    return this.#scopes.includes(scope);
  }

  #part(section: Section): HTMLElement {
    return find(this.#root, `#${section}`, HTMLElement);
  }

  #say(selector: string, text: string): void {
    find(this.#root, selector, HTMLElement).replaceChildren(text === '' ? '' : foreign(text));
  }

  #on(selector: string, type: 'click' | 'submit', act: () => unknown): void {
    find(this.#root, selector, HTMLElement).addEventListener(type, (event) => {
      event.preventDefault();
      void act();
    });
  }
}
