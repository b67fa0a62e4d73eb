import {
  type Endurance,
  ended,
  openWorld,
  sample,
  type Sample,
  sampling,
  type Say,
  SECOND,
  setRate,
  unforeseen,
} from './endurance.js';
import { total } from './total.js';

const CALLERS = 2;
/** Of all callers, before and after. */
const NORMAL = 600;
/** The same while Redis is away. */
const MANY = 5000;
/** With these two far more calls would wait, and take far more memory, than may. */
const TIMEOUT_MS = 10 * SECOND;
const NO_LIMIT = 1_000_000;
/** In the first moment calls end that were answered before. */
const CUT_MS = SECOND;
const RECOVERY_MS = 5 * SECOND;
const WINDOW_MS = 5 * SECOND;

const MOST_GROWTH_MIB = 20;
/** Calls and published events wait in lines of their own, and some of one turn are refused at its end only. */
const MOST_OUT_SHARE = 2.1;
const BACK_SHARE = 0.9;

/** Calls that were out, or waited for room at a node, when Redis went. */
const ENDS_OF_OLD = ['CLOUDS_TIMEOUT', 'CLOUDS_OVERLOADED'];
/** Calls that waited for Redis, and those that were not let in. */
const ENDS_AWAY = ['CLOUDS_DISCONNECTED'];
/** One service has a capacity. */
const ENDS_ELSE = ['ok', 'thrown', 'CLOUDS_OVERLOADED'];
/** What was out may be lost, and what has waited for long may come too late. */
const ENDS_RETURNING = [
  ...ENDS_ELSE,
  ...ENDS_OF_OLD,
  ...ENDS_AWAY,
  'CLOUDS_NODE_LOST',
  'CLOUDS_EXPIRED',
];

export interface OutagePlan {
  readonly seconds: number;
  readonly maxWaiting: number;
}

export interface OutageSamples {
  readonly maxWaiting: number;
  readonly before: Sample;
  readonly away: readonly Sample[];
  /** While all comes back. */
  readonly returning: Sample;
  readonly after: Sample;
}

/** Redis away under load: what waits is bounded, what fails says why, and all is well when it is back. */
export async function outage({ seconds, maxWaiting }: OutagePlan, say: Say): Promise<Endurance> {
  const world = await openWorld({
    nodes: 2,
    callers: CALLERS,
    callsPerSecond: NORMAL / CALLERS,
    timeoutMs: TIMEOUT_MS,
    options: { service: { maxWaiting } },
  });
  const next = sampling(() => sample(world), say);
  try {
    await next(WINDOW_MS);
    const before = await next(WINDOW_MS);
    const away: Sample[] = [];
    await world.redis.restart(async () => {
      await next(CUT_MS);
      setRate(world, MANY, NO_LIMIT);
      for (let second = 0; second < seconds; second += 5) away.push(await next(WINDOW_MS));
      setRate(world, NORMAL, NO_LIMIT);
    });
    const returning = await next(RECOVERY_MS);
    const after = await next(WINDOW_MS);
    const samples = { maxWaiting, before, away, returning, after };
    return { facts: outageFacts(samples), failures: judgeOutage(samples) };
  } finally {
    await world.close();
  }
}

function outageFacts({ before, away, returning, after }: OutageSamples): Endurance['facts'] {
  return {
    'largest heap, MiB': [before, ...away, returning, after].map((one) => one.largestHeapMiB),
    'most calls out of a caller': [before, ...away].map(({ mostOut }) => mostOut),
    'calls made while it was away': sum(away, ({ made }) => made),
    'turned away': sum(away, ({ turnedAway }) => turnedAway),
    'ends while it was away': total(away.map(({ outcomes }) => outcomes)),
    'ends when it came back': returning.outcomes,
    'ends after it': after.outcomes,
    'answered per second, before and after': [before.answeredPerSecond, after.answeredPerSecond],
  };
}

/** What is not as it should be. */
export function judgeOutage(samples: OutageSamples): string[] {
  return [...judgeLimit(samples), ...judgeEnds(samples)];
}

function judgeLimit({ maxWaiting, before, away }: OutageSamples): string[] {
  const failures: string[] = [];
  const mostOut = Math.max(...away.map((one) => one.mostOut));
  const growth = Math.max(...away.map((one) => one.largestHeapMiB)) - before.largestHeapMiB;
  const skipped = sum(away, (one) => one.skipped);
  if (skipped > 0) failures.push(`the load itself has held back ${skipped} calls`);
  if (away.some(({ turnedAway }) => turnedAway === 0))
    failures.push('for seconds no call was turned away: the limit was not reached');
  if (mostOut > MOST_OUT_SHARE * maxWaiting + before.mostOut)
    failures.push(`a caller had ${mostOut} calls out, of which ${maxWaiting} may wait`);
  if (growth > MOST_GROWTH_MIB) failures.push(`a heap has grown by ${growth} MiB`);
  return failures;
}

function judgeEnds({ before, away, returning, after }: OutageSamples): string[] {
  const failures: string[] = [];
  const ends = total(away.map(({ outcomes }) => outcomes));
  const wrong = unforeseen(ends, [...ENDS_AWAY, ...ENDS_OF_OLD]);
  if (ended(ends) === 0) failures.push('no call has ended while Redis was away');
  if (wrong !== undefined) failures.push(`while Redis was away: ${wrong}`);
  const old = ENDS_OF_OLD.reduce((all, end) => all + (ends[end] ?? 0), 0);
  if (old > CALLERS * before.mostOut)
    failures.push(`${old} ended with ${ENDS_OF_OLD.join(' or ')}: more than were out before`);
  const late = unforeseen(returning.outcomes, ENDS_RETURNING);
  if (late !== undefined) failures.push(`when Redis came back: ${late}`);
  const strange = unforeseen(after.outcomes, ENDS_ELSE);
  if (strange !== undefined) failures.push(`after it: ${strange}`);
  if (!(after.answeredPerSecond >= BACK_SHARE * before.answeredPerSecond))
    failures.push(`after it ${after.answeredPerSecond} calls per second are answered`);
  return failures;
}

const sum = (samples: readonly Sample[], of: (one: Sample) => number) =>
  samples.reduce((all, one) => all + of(one), 0);
