/**
 * Deletions per day as stacked bars.
 *
 * Promises: the bars of a day add up; the colours are those of the style sheet, also after a change between light and dark. Never:
 * the only way to the figures, because it is an image to a screen reader and to a keyboard.
 */
import uPlot from 'uplot';
import { ROW_OUTCOMES } from '../worker/outcome.ts';
import { element, find } from './dom.ts';
import { type Day, describe, wordsOf } from './summary.ts';

const HEIGHT_PX = 240;

/** Readies the plot below `root`, and returns what draws it. */
export function plotIn(root: ParentNode): (days: readonly Day[]) => void {
  const host = find(root, '#plot', HTMLElement);
  const readout = find(root, '#readout', HTMLElement);
  const swatches = ROW_OUTCOMES.map((outcome) => element('span', { class: `swatch ${outcome}` }));
  const entries = swatches.map((swatch, n) => element('li', {}, swatch, wordsOf(ROW_OUTCOMES[n] ?? '')));
  find(root, '#legend', HTMLElement).replaceChildren(...entries);
  const size = () => ({ width: host.clientWidth, height: HEIGHT_PX });
  let drawn: uPlot | null = null;
  new ResizeObserver(() => drawn?.setSize(size())).observe(host);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => drawn?.redraw());

  return (days) => {
    // Each series is a sum up to its outcome. The greatest is drawn first, and the others over it.
    const sums = ROW_OUTCOMES.map((_, n) => days.map(({ counts }) => counts.slice(0, n + 1).reduce((a, b) => a + b)));
    const paths = uPlot.paths.bars?.({ size: [0.8, 48] }) ?? (() => null);
    const series = swatches.map((swatch) => ({
      fill: () => getComputedStyle(swatch).backgroundColor,
      points: { show: false },
      width: 0,
      paths,
    }));
    const axis = { stroke: () => getComputedStyle(host).color, grid: { show: false } };
    const setCursor = ({ cursor: { idx } }: uPlot) => {
      const day = days[idx ?? -1];
      readout.textContent = day === undefined ? '' : `${day.day}: ${describe([day])}`;
    };
    const options: uPlot.Options = {
      ...size(),
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: {
        x: { time: false, range: [-0.5, days.length - 0.5] },
        y: { range: (_plot, _least, most) => [0, Math.max(most, 5) * 1.05] },
      },
      axes: [
        { ...axis, space: 44, values: (_plot, splits) => splits.map((n) => days[n]?.day.slice(5) ?? '') },
        { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] },
      ],
      series: [{}, ...series.reverse()],
      hooks: { setCursor: [setCursor] },
    };
    drawn?.destroy();
    drawn = new uPlot(options, [days.map((_, n) => n), ...sums.reverse()], host);
  };
}
