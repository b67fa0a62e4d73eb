import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { linearAxis, logAxis } from '../../../bench/plot/axes.js';
import { drawPlots, IMAGES, RESULTS_FILE } from '../../../bench/plot/plots.js';
import { svgOf } from '../../../bench/plot/svg.js';
import type { RunResult } from '../../../bench/results.js';

const ROOT = path.join(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');

describe('the plots of docs/performance.md', () => {
  it('are what `npm run bench:plot` makes of the committed results', () => {
    const plots = drawPlots(JSON.parse(read(RESULTS_FILE)) as RunResult);
    expect(plots.size).toBe(2);
    for (const [name, svg] of plots) expect(read(`${IMAGES}/${name}`)).toBe(svg);
  });
});

describe('a plot', () => {
  const axis = linearAxis('things', 10);
  const chart = { title: 'a < b & c', subtitle: '', x: axis, y: axis };

  it('keeps the names of lines apart that end at the same place', () => {
    const lines = ['one', 'two'].map((label) => ({ label, points: [[0, 0] as const] }));
    const labels = /y="([\d.]+)"[^>]*>one<[^]*y="([\d.]+)"[^>]*>two</.exec(
      svgOf({ ...chart, lines }),
    )!;
    expect(Number(labels[2]) - Number(labels[1])).toBeGreaterThanOrEqual(14);
  });

  it('escapes what it writes', () => {
    expect(svgOf({ ...chart, lines: [] })).toContain('<title>a &lt; b &amp; c</title>');
  });
});

describe('an axis', () => {
  it('ends at a round number that has room for all values', () => {
    const { ticks, place } = linearAxis('calls', 93_625);
    expect(ticks.map(({ text }) => text)).toEqual([
      '0',
      '20,000',
      '40,000',
      '60,000',
      '80,000',
      '100,000',
    ]);
    expect(place(100_000)).toBe(1);
  });

  it('of logarithms gives each doubling the same room', () => {
    const { place } = logAxis('in flight', [1, 2, 4, 8]);
    expect([1, 2, 4, 8].map((value) => place(value).toFixed(3))).toEqual([
      '0.000',
      '0.333',
      '0.667',
      '1.000',
    ]);
  });
});
