/**
 * Deletions per day as stacked bars.
 *
 * Promises: a day's bars add up to its deletions; a day that was not read looks different from an empty one; uses only shapes and text,
 * so it works in print, in forced colours and at any width. Never: the only way to the figures, because to a screen reader and a
 * keyboard it is only an image.
 */
import { ROW_OUTCOMES, type RowOutcome } from '../worker/outcome.ts';
import type { Day } from './summary.ts';

/** Of the drawing, of the bars in it, and of the space above them. */
const HEIGHT_PX = 240;
const BARS_PX = 196;
const TOP_PX = 20;
/** The width of a bar, as a share of a day's width. */
const BAR_SHARE = 0.76;
/** The least top of the scale, so that a few deletions do not look like many. */
const LEAST_TOP = 5;
/** How many days apart the labels are. */
const LABEL_EVERY = 5;

export interface ChartWords {
  /** The tooltip of a day. */
  readonly describe: (day: Day) => string;
  /** Called when the pointer enters a day. */
  readonly onDay: (day: Day) => void;
}

/** Draws the days, oldest first, and replaces the content of `host`. */
export function drawChart(host: Element, days: readonly Day[], { describe, onDay }: ChartWords): void {
  const sums = days.map(({ counts }) => (counts ?? []).reduce((sum, count) => sum + count, 0));
  const top = niceTop(Math.max(LEAST_TOP, ...sums));
  const widthOf = 100 / days.length;
  const yOf = (count: number) => TOP_PX + BARS_PX * (1 - count / top);
  const scale = [top, top / 2, 0];
  const lines = scale.map((count) =>
    shape('line', { class: 'grid', x1: '0', x2: '100%', y1: yOf(count), y2: yOf(count) }),
  );
  const figures = scale.map((count) => shape('text', { class: 'figure', x: '0', y: yOf(count) - 4 }, String(count)));
  const groups = days.map((day, n) => {
    const group = shape('g', { class: 'day' }, shape('title', {}, describe(day)));
    const place = { x: `${(n + (1 - BAR_SHARE) / 2) * widthOf}%`, width: `${widthOf * BAR_SHARE}%` };
    // The entire column of a day reacts to the pointer.
    group.append(
      shape('rect', { class: 'column', x: `${n * widthOf}%`, width: `${widthOf}%`, y: TOP_PX, height: BARS_PX }),
    );
    if (day.counts === null) group.append(shape('rect', { class: 'unread', ...place, y: TOP_PX, height: BARS_PX }));
    let below = 0;
    for (const [index, count] of (day.counts ?? []).entries()) {
      if (count === 0) continue;
      const outcome: RowOutcome = ROW_OUTCOMES[index] ?? 'unknown';
      below += count;
      group.append(shape('rect', { class: outcome, ...place, y: yOf(below), height: (BARS_PX * count) / top }));
    }
    // Counted from the newest day, which always has a label, at the edge.
    const age = days.length - 1 - n;
    const label = {
      class: age === 0 ? 'newest' : 'name',
      x: age === 0 ? '100%' : `${(n + 0.5) * widthOf}%`,
      y: HEIGHT_PX - 6,
    };
    if (age % LABEL_EVERY === 0) group.append(shape('text', label, day.day.slice(5)));
    group.addEventListener('pointerenter', () => onDay(day));
    return group;
  });
  host.replaceChildren(shape('svg', { width: '100%', height: HEIGHT_PX }, ...lines, ...groups, ...figures));
}

/** A small square in the colour of an outcome. Only a decoration: if drawing fails, it is left out. */
export function swatch(outcome: string): Node {
  try {
    const square = shape('rect', { class: outcome, width: '100%', height: '100%' });
    return shape('svg', { class: 'swatch', 'aria-hidden': 'true' }, square);
  } catch {
    return document.createTextNode('');
  }
}

/** The smallest of 1, 2, 4 or 6 times a power of ten that is at least `n`. From 2 on, half of it is a whole number. */
function niceTop(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most));
  return ([1, 2, 4, 6, 10].find((step) => step * power >= most) ?? 10) * power;
}

function shape(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  ...children: (string | Node)[]
): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, String(value));
  made.append(...children);
  return made;
}
