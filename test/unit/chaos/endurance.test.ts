import { describe, expect, it } from 'vitest';
import { type Sample, type RedisSample, summary } from '../../chaos/endurance.js';
import { judgeOutage, type OutageSamples } from '../../chaos/outage.js';
import { judgeOverload, type OverloadSamples } from '../../chaos/overload.js';
import { judgeSoak, type Round } from '../../chaos/soak.js';

const CALLS = 1000;
const RATE = 200;
const MAX_WAITING = 1000;

const sample = (over: Partial<Sample & RedisSample> = {}): Sample & RedisSample => ({
  heapMiB: 60,
  largestHeapMiB: 20,
  rssMiB: 400,
  handles: 25,
  made: CALLS,
  madePerSecond: RATE,
  answeredPerSecond: RATE,
  skipped: 0,
  mostOut: 50,
  outcomes: { ok: CALLS },
  turnedAway: 0,
  longestMs: 100,
  redisClients: 4,
  redisMiB: 2,
  ...over,
});

it('a summary has the rates of all processes together, and the most of any', () => {
  const process = { rssMiB: 100, heapMiB: 10, handles: 5, running: 0, skipped: 0, turnedAway: 1 };
  const ends = { outcomes: { ok: 90, thrown: 10, CLOUDS_TIMEOUT: 50 }, longestMs: 7, mostOut: 3 };
  const one = { ...process, ...ends, spanMs: 1000, made: 150 };
  const two = { ...one, spanMs: 2000, heapMiB: 20, mostOut: 4 };
  expect(summary([one, two])).toMatchObject({
    heapMiB: 30,
    largestHeapMiB: 20,
    made: 300,
    madePerSecond: 225,
    answeredPerSecond: 150,
    turnedAway: 2,
    mostOut: 4,
    outcomes: { ok: 180, thrown: 20, CLOUDS_TIMEOUT: 100 },
  });
});

describe('an outage', () => {
  const away = (over: Partial<Sample> = {}) =>
    sample({
      answeredPerSecond: 0,
      mostOut: 2 * MAX_WAITING,
      outcomes: { CLOUDS_DISCONNECTED: CALLS, CLOUDS_TIMEOUT: 20 },
      turnedAway: 900,
      ...over,
    });
  const judge = (over: Partial<OutageSamples> = {}) =>
    judgeOutage({
      maxWaiting: MAX_WAITING,
      before: sample(),
      away: [away(), away()],
      returning: sample({ outcomes: { ok: CALLS, CLOUDS_DISCONNECTED: 9, CLOUDS_NODE_LOST: 1 } }),
      after: sample({ outcomes: { ok: CALLS, thrown: 5, CLOUDS_OVERLOADED: 1 } }),
      ...over,
    });

  it('may turn calls away, and end those that were out', () => {
    expect(judge()).toEqual([]);
  });

  const breaches: Record<string, [Partial<OutageSamples>, RegExp]> = {
    'no call is turned away': [{ away: [away(), away({ turnedAway: 0 })] }, /limit was not/],
    'the load stays below the limit by itself': [{ away: [away({ skipped: 1 })] }, /held back/],
    'more wait than may': [{ away: [away({ mostOut: 2500 })] }, /2500 calls out/],
    'a heap grows': [{ away: [away({ largestHeapMiB: 45 })] }, /heap has grown by 25 MiB/],
    'a call is answered': [{ away: [away({ outcomes: { ok: 1 } })] }, /away: 1 ok/],
    'a call ends with a code that is not promised': [
      { away: [away({ outcomes: { CLOUDS_NO_NODE: 3 } })] },
      /away: 3 CLOUDS_NO_NODE/,
    ],
    'calls that were never out time out': [
      { away: [away({ outcomes: { CLOUDS_TIMEOUT: 101 } })] },
      /101 ended with CLOUDS_TIMEOUT/,
    ],
    'no call ends': [{ away: [away({ outcomes: {} })] }, /no call has ended/],
    'its end has strange ends': [
      { returning: sample({ outcomes: { CLOUDS_CLOSED: 1 } }) },
      /came back: 1 CLOUDS_CLOSED/,
    ],
    'calls fail after it': [{ after: sample({ outcomes: { ok: 9, CLOUDS_TIMEOUT: 1 } }) }, /after/],
    'less is answered after it': [{ after: sample({ answeredPerSecond: 179 }) }, /after it 179/],
  };
  it.each(Object.entries(breaches))('is not as it should be when %s', (_, [over, failure]) => {
    expect(judge(over)).toEqual([expect.stringMatching(failure)]);
  });
});

describe('an overload', () => {
  const during = (over: Partial<Sample & RedisSample> = {}) =>
    sample({
      madePerSecond: 1200,
      answeredPerSecond: 350,
      outcomes: { ok: 1750, CLOUDS_OVERLOADED: 4250 },
      ...over,
    });
  const busy = sample({ outcomes: { ok: 150, CLOUDS_OVERLOADED: 50 } });
  const at = (afterMs: number, one = sample()) => ({ ...one, afterMs });
  const judge = (over: Partial<OverloadSamples> = {}) =>
    judgeOverload({
      isHeldBack: true,
      possible: 400,
      before: sample(),
      during: [during(), during()],
      recovery: [at(1100, busy), at(2200)],
      after: sample(),
      ...over,
    });

  it('may refuse what is too much', () => {
    expect(judge()).toEqual([]);
  });

  it('may have nothing answered where handlers wait for what there is too little of', () => {
    const outcomes = { CLOUDS_TIMEOUT: 6000 };
    const nothing = during({ answeredPerSecond: 0, outcomes });
    expect(judge({ isHeldBack: false, during: [nothing] })).toEqual([]);
  });

  const breaches: Record<string, [Partial<OverloadSamples>, RegExp]> = {
    'less is offered': [{ during: [during({ madePerSecond: 1000 })] }, /only 2\.5 times/],
    'the nodes can do more than was measured': [
      { during: [during({ answeredPerSecond: 600 })] },
      /only 2\.0 times/,
    ],
    'the nodes do little': [{ during: [during({ answeredPerSecond: 100 })] }, /only 25 %/],
    'calls are taken and not answered': [
      { during: [during({ outcomes: { ok: 1750, CLOUDS_OVERLOADED: 4250, CLOUDS_TIMEOUT: 19 } })] },
      /1\.1 % of what was not refused/,
    ],
    'nothing was measured': [{ possible: Number.NaN }, /times/],
    'a call ends with another code': [
      { during: [during({ outcomes: { ok: 1, CLOUDS_NODE_LOST: 1 } })] },
      /1 CLOUDS_NODE_LOST/,
    ],
    'calls fail before it': [{ before: sample({ outcomes: { CLOUDS_TIMEOUT: 1 } }) }, /before it/],
    'the memory doubles': [{ during: [during({ rssMiB: 801 })] }, /doubled/],
    'Redis grows': [{ during: [during({ redisMiB: 103 })] }, /Redis holds/],
    'calls still fail seconds later': [
      { recovery: [at(1000, busy), at(2000, busy)] },
      /not yet back/,
    ],
    'fewer are answered seconds later': [
      { recovery: [at(1000, sample({ answeredPerSecond: 179 }))] },
      /not yet back/,
    ],
    'all is as before, but too late': [{ recovery: [at(8000)] }, /not yet back/],
    'calls fail after it': [{ after: sample({ outcomes: { CLOUDS_OVERLOADED: 1 } }) }, /after it/],
    'fewer are answered after it': [{ after: sample({ answeredPerSecond: 179 }) }, /after it 179/],
    'a call takes long after it': [{ after: sample({ longestMs: 501 }) }, /501 ms/],
  };
  it.each(Object.entries(breaches))('is not as it should be when %s', (_, [over, failure]) => {
    expect(judge(over).join('\n')).toMatch(failure);
  });
});

describe('a soak', () => {
  const round = (over: Partial<Round> = {}): Round => ({
    fault: 'FLUSHALL',
    struck: sample({ outcomes: { ok: CALLS, thrown: 50, CLOUDS_TIMEOUT: 30 } }),
    calm: sample(),
    ...over,
  });
  const eight = (late: Partial<Round> = {}) => [
    ...Array.from({ length: 6 }, () => round()),
    ...Array.from({ length: 2 }, () => round(late)),
  ];

  it('may have some calls that fail while a fault strikes', () => {
    expect(judgeSoak(eight())).toEqual([]);
  });

  const breaches: Record<string, [Partial<Round>, RegExp]> = {
    'calls fail without a fault': [
      { calm: sample({ outcomes: { ok: CALLS, CLOUDS_TIMEOUT: 1 } }) },
      /long after FLUSHALL: 1 CLOUDS_TIMEOUT/,
    ],
    'no call ends': [{ calm: sample({ outcomes: {} }) }, /nothing is answered/],
    'many calls fail': [
      { struck: sample({ outcomes: { CLOUDS_DISCONNECTED: CALLS } }) },
      /only 8\d\.\d % of all/,
    ],
    'the heap grows': [{ calm: sample({ heapMiB: 70 }) }, /heap/],
    'handles are left': [{ calm: sample({ handles: 40 }) }, /handles/],
    'clients are left': [{ calm: sample({ redisClients: 6 }) }, /Redis clients/],
  };
  it.each(Object.entries(breaches))('is not as it should be when %s', (_, [over, failure]) => {
    expect(judgeSoak(eight(over)).join('\n')).toMatch(failure);
  });
});
