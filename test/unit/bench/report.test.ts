import { describe, expect, it } from 'vitest';
import { readFlags } from '../../../bench/flags.js';
import type { Measurement } from '../../../bench/measurement.js';
import { reportOf } from '../../../bench/report.js';
import type { Case, MeasurementResult, RunResult } from '../../../bench/results.js';
import { jsonOf } from '../../../bench/results-file.js';
import { median, pairedRatio, percentiles, quantile, spread } from '../../../bench/stats.js';

describe('the statistics of the benchmark', () => {
  it('know medians, quantiles and the spread', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(spread([90, 100, 120])).toBe(0.3);
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(3);
    expect(percentiles([1, 2])).toHaveLength(101);
    expect(percentiles([])).toEqual([]);
  });

  it('compare round by round: a slow round is one for both', () => {
    expect(pairedRatio([100, 50, 100], [50, 25, 49])).toBe(2);
  });
});

const measured: Case = {
  title: '64 in flight',
  settings: { concurrency: 64 },
  figures: ['callsPerSecond', 'redisUs'],
  ratio: { figure: 'callsPerSecond', base: 'a', kind: 'base / it', heading: 'ours / it' },
  series: [
    {
      label: 'a',
      samples: [
        { callsPerSecond: 200, redisUs: 4 },
        { callsPerSecond: 100, redisUs: 4 },
      ],
    },
    { label: 'b', samples: [{ callsPerSecond: 100 }, { callsPerSecond: 50, failed: 3 }] },
  ],
};
const result: MeasurementResult = { name: 'some', title: 'Some', cases: [measured] };

describe('the report', () => {
  const lines = reportOf(result).trim().split('\n');
  const rowOf = (label: string) => lines.find((line) => line.startsWith(`${label} `))!.split(/\s+/);

  it('has a ratio and a spread beside the figure that is compared', () => {
    expect(rowOf('a')).toEqual(['a', '150', '1.00', '0.67', '4.0', '-']);
    expect(rowOf('b').slice(0, 4)).toEqual(['b', '75', '2.00', '0.67']);
  });

  it('says what was not measured, and what failed', () => {
    expect(rowOf('b').slice(4)).toEqual(['-', '3']);
    expect(lines.join()).toContain('failed');
  });
});

describe('a results file', () => {
  it('holds everything, to six digits', () => {
    const sample = { callsPerSecond: 1234567.89, percentiles: [0.123456789, 2] };
    const series = [{ label: 'a', samples: [sample] }];
    const machine = { cores: 2 } as RunResult['machine'];
    const run: RunResult = {
      machine,
      isQuick: true,
      notes: ['NATS left out'],
      measurements: [{ ...result, cases: [{ ...measured, series }] }],
    };
    const read = JSON.parse(jsonOf(run)) as RunResult;
    expect(read.notes).toEqual(run.notes);
    expect(read.measurements[0]!.cases[0]!.series).toEqual([
      { label: 'a', samples: [{ callsPerSecond: 1234570, percentiles: [0.123457, 2] }] },
    ]);
  });
});

describe('the flags', () => {
  const known = ['fast', 'slow'].map((name): Measurement => ({
    name,
    title: name,
    isSlow: name === 'slow',
    run: () => Promise.resolve([]),
  }));
  const chosen = (...args: string[]) => readFlags(args, known).measurements.map(({ name }) => name);

  it('choose what is measured', () => {
    expect(chosen()).toEqual(['fast', 'slow']);
    expect(chosen('--quick')).toEqual(['fast']);
    expect(chosen('--quick', '--only', 'slow,fast')).toEqual(['fast', 'slow']);
  });

  it('name what there is when something else is asked for', () => {
    expect(() => chosen('--only', 'fast,fats')).toThrow('There is no fats; there are: fast, slow');
  });
});
