import { describe, expect, it } from 'vitest';
import type { HistoryEvent, Sent } from '../../chaos/history.js';
import { unansweredOf, unrecoveredIn, wrongScoreOf } from '../../chaos/rest.js';

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

function call(
  key: string,
  outcome: string,
  { service = 'plain', at = 1500, kind = 'request' }: Partial<Sent> = {},
): HistoryEvent[] {
  const by = 'caller-1#1';
  return [
    {
      ...{ what: 'sent', at, by, key, kind, service },
      ...{ attempts: 1, timeoutMs: 500, deadlineMs: 500 },
    },
    { what: 'replied', at: at + 500, by, key, outcome },
  ];
}

const unrecovered = (...history: HistoryEvent[][]) =>
  unrecoveredIn({ from: 1000, to: 2000 }, history.flat(), new Set(['tight']));

describe('a calm time', () => {
  const calls = (count: number, outcome: string, kind?: Sent['kind']) =>
    Array.from({ length: count }, (_, n) => call(`${outcome}:${n}`, outcome, { kind }));
  const good = calls(8, 'ok');

  it('has calls that are answered, or refused by a service with a capacity', () => {
    const refused = call('b', 'CLOUDS_OVERLOADED', { service: 'tight' });
    expect(unrecovered(...good, call('a', 'thrown'), refused)).toEqual([]);
  });

  it.each([
    ['plain', 'CLOUDS_OVERLOADED'],
    ['news', 'CLOUDS_OVERLOADED'],
    ['tight', 'CLOUDS_DISCONNECTED'],
    ['plain', 'CLOUDS_NODE_LOST'],
    ['plain', 'CLOUDS_NO_NODE'],
    ['plain', 'CLOUDS_CANCELLED'],
    ['plain', 'unknown: boom'],
  ])('is none when a call to %s ends with %s', (service, outcome) => {
    expect(unrecovered(...good, call('a', outcome, { service }))).toEqual([
      `not recovered: 1 ${outcome} of 9 calls (all)`,
      `not recovered: 1 ${outcome} of 9 calls (request)`,
    ]);
  });

  it('may have one timeout in five, and not more', () => {
    const many = calls(16, 'ok');
    expect(unrecovered(...many, ...calls(4, 'CLOUDS_TIMEOUT'))).toEqual([]);
    expect(unrecovered(...many, ...calls(5, 'CLOUDS_TIMEOUT'))).toEqual([
      'not recovered: 5 CLOUDS_TIMEOUT of 21 calls (all)',
    ]);
  });

  it('may have one in five that came to its node too late, or timed out, together', () => {
    const late = [...calls(2, 'CLOUDS_TIMEOUT'), ...calls(1, 'CLOUDS_EXPIRED')];
    expect(unrecovered(...calls(12, 'ok'), ...late)).toEqual([]);
    expect(unrecovered(...good, ...late)).toEqual([
      'not recovered: 2 CLOUDS_TIMEOUT of 11 calls (all)',
      'not recovered: 1 CLOUDS_EXPIRED of 11 calls (all)',
    ]);
  });

  it('is none when most calls of one kind time out, however many there are of others', () => {
    const many = calls(100, 'ok');
    const streams = [...calls(2, 'CLOUDS_TIMEOUT', 'stream'), ...calls(2, 'thrown', 'stream')];
    expect(unrecovered(...many, ...streams)).toEqual([]);
    const another = call('one', 'CLOUDS_EXPIRED', { kind: 'stream' });
    expect(unrecovered(...many, ...streams, another)).toEqual([
      'not recovered: 2 CLOUDS_TIMEOUT of 5 calls (stream)',
      'not recovered: 1 CLOUDS_EXPIRED of 5 calls (stream)',
    ]);
  });

  it('has nothing to do with calls that were sent before or after', () => {
    const others = [990, 2010].map((at) => call(`at ${at}`, 'CLOUDS_NODE_LOST', { at }));
    expect(unrecovered(...good, ...others)).toEqual([]);
    expect(unrecovered(...others)).toEqual(['not recovered: nobody calls']);
  });
});
