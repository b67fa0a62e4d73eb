import { describe, expect, it } from 'vitest';
import { unansweredOf, wrongScoreOf } from '../../chaos/rest.js';

const scores = (...flat: string[]) =>
  wrongScoreOf({ service: 'tight', capacity: 8, flat }, ['one', 'two']);

describe('scores of a world at rest', () => {
  it('are right when each node that lives has its base, whatever stands behind the point', () => {
    expect(scores('one.1!', '8.0000012', 'two.3!', '8')).toBeUndefined();
  });

  it.each<[string, string[]]>([
    ['below the base', ['one.1!', '7.9', 'two.1!', '8']],
    ['above the base', ['one.1!', '9', 'two.1!', '8']],
    ['of a node that is missing', ['one.1!', '8']],
    ['of a node that is dead', ['one.1!', '8', 'three.1!', '8']],
    ['of one more than there are', ['one.1!', '8', 'two.1!', '8', 'three.1!', '8']],
    ['of a node that is there twice', ['one.1!', '8', 'one.2!', '8', 'two.1!', '8']],
    ['of nobody', []],
  ])('are wrong %s', (_, flat) => {
    const wrong = scores(...flat);
    expect(wrong).toContain('tight');
    expect(wrong).toContain('alive: one two');
  });
});

describe('callers of a world at rest', () => {
  it('are answered when one call was, and not when all fail, nothing ended, or they say nothing', () => {
    const reports: Parameters<typeof unansweredOf>[1] = [
      { outcomes: { ok: 1, CLOUDS_TIMEOUT: 9 } },
      { outcomes: { CLOUDS_TIMEOUT: 9 } },
      { outcomes: {} },
      undefined,
    ];
    expect(unansweredOf(['a', 'b', 'c', 'd'], reports)).toEqual(['b', 'c', 'd']);
  });
});
