import { describe, expect, it } from 'vitest';
import { reportOf } from '../../chaos/report.js';
import type { ScenarioResult } from '../../chaos/scenario.js';

const result = (over: Partial<ScenarioResult> = {}): ScenarioResult => ({
  seed: 1,
  calls: 10,
  faults: { flood: 2 },
  outcomes: { ok: 9, CLOUDS_TIMEOUT: 1 },
  moved: 0,
  longestMs: 1,
  violations: [],
  neighbours: { calm: [1, 1], flooded: [1] },
  failures: [],
  ...over,
});

describe('the report', () => {
  it('says when too few calls beside a flooded node were seen to judge them', () => {
    expect(reportOf([result(), result()], 1)).toContain(
      'not judged: 2 calls beside a flooded node, 4 else',
    );
  });

  it('says of which sources it is, if that is known', () => {
    expect(reportOf([result()], 1, 'abc1234')).toMatch(/^revision {5}abc1234$/m);
    expect(reportOf([result()], 1)).not.toContain('revision');
  });

  it('has a line for each fault that struck alone, over all of its seeds', () => {
    const frozen = { fault: 'frozen', faults: { frozen: 3 }, failures: ['scores'] };
    const results = [result({ fault: 'flood' }), result(frozen), result({ ...frozen, seed: 2 })];
    const report = reportOf(results, 1);
    expect(report).toContain('  flood: 2 times, 10 calls, 0 wrong, 9 ok, 1 CLOUDS_TIMEOUT');
    expect(report).toContain('  frozen: 6 times, 20 calls, 2 wrong, 18 ok, 2 CLOUDS_TIMEOUT');
    expect(report).toContain('seeds        2, from 1 to 2');
    expect(report).toContain('seed 2 of frozen: scores');
  });

  it('has no such lines when faults strike together', () => {
    expect(reportOf([result()], 1)).not.toContain('Each fault');
  });
});
