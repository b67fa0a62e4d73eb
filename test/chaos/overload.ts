import {
  ended,
  type Endurance,
  mean,
  openWorld,
  type RedisSample,
  sample,
  type Sample as ProcessSample,
  sampleRedis,
  sampling,
  type Say,
  SECOND,
  setRate,
  unforeseen,
} from './endurance.js';
import { total } from './total.js';
import type { World } from './world.js';

const NODES = 2;
const CALLERS = 2;
const COSTS = { processor: { busyMs: 2 }, connections: { pooledMs: 10 } };
/** More than the nodes can do, held back by the number that may be out: some 30 ms of work for each node. */
const ENOUGH = 20_000;
const IN_HAND = 16;
const NORMAL = 1 / 3;
const OVERLOAD = 3;
const LEAST_OVERLOAD = 2.7;
const NO_LIMIT = 1_000_000;
const SETTLE_MS = 2 * SECOND;
const WINDOW_MS = 5 * SECOND;

/** In how many seconds all must be as before. */
const RECOVERY_MS = 5 * SECOND;
/** Samples come late on a busy machine. */
const LATE_MS = SECOND;
const BACK_SHARE = 0.9;
const LONGEST_AFTER_MS = 500;
/** Of what the nodes can do they do so much when they are asked for too much: callers and Redis have the same cores. */
const LEAST_DONE = 2 / 3;
/** Of the calls that were not refused. */
const MOST_LATE = 0.01;
const MOST_REDIS_GROWTH_MIB = 100;

/** What calls may end with when there are too many. */
const ENDS = ['ok', 'CLOUDS_TIMEOUT', 'CLOUDS_OVERLOADED', 'CLOUDS_EXPIRED'];

type Sample = ProcessSample & RedisSample;

export interface OverloadPlan {
  readonly seconds: number;
  /** Of each node; left out: no limit. */
  readonly capacity: number | undefined;
  /** Of what there is too little: time of the processor, or connections that handlers wait for. */
  readonly lacks: 'processor' | 'connections';
}

export interface OverloadSamples {
  /** Whether the nodes do not take more than they can do. */
  readonly isHeldBack: boolean;
  /** Calls per second that all nodes together can answer, as measured. */
  readonly possible: number;
  readonly before: Sample;
  readonly during: readonly Sample[];
  /** Each of about a second, with the time from the load's end to its own. */
  readonly recovery: readonly (Sample & { readonly afterMs: number })[];
  readonly after: Sample;
}

/** Three times as many calls as the nodes can do: they do what they can, and are themselves again soon after. */
export async function overload(plan: OverloadPlan, say: Say): Promise<Endurance> {
  const { seconds, capacity, lacks } = plan;
  const world = await openWorld({
    nodes: NODES,
    callers: CALLERS,
    callsPerSecond: 50,
    services: { busy: { capacity } },
    cost: COSTS[lacks],
  });
  const take = async (): Promise<Sample> => ({
    ...(await sample(world)),
    ...(await sampleRedis(world)),
  });
  const next = sampling(take, say);
  try {
    const isHeldBack = capacity !== undefined || lacks === 'processor';
    const possible = await measure(world, next);
    setRate(world, NORMAL * possible);
    await next(SETTLE_MS);
    const before = await next(WINDOW_MS);
    setRate(world, OVERLOAD * possible, NO_LIMIT);
    const during: Sample[] = [];
    for (let second = 0; second < seconds; second += 5) during.push(await next(WINDOW_MS));
    setRate(world, NORMAL * possible);
    const recovery = await follow(next);
    const after = await next(WINDOW_MS);
    const samples = { isHeldBack, possible, before, during, recovery, after };
    return { facts: overloadFacts(samples), failures: judgeOverload(samples) };
  } finally {
    await world.close();
  }
}

/** How many calls per second are answered when callers keep all nodes at work, and no more. */
async function measure(world: World, next: (ms: number) => Promise<Sample>): Promise<number> {
  setRate(world, ENOUGH, IN_HAND);
  await next(SETTLE_MS);
  const { answeredPerSecond } = await next(WINDOW_MS);
  return answeredPerSecond;
}

async function follow(next: (ms: number) => Promise<Sample>): Promise<OverloadSamples['recovery']> {
  const began = performance.now();
  const recovery: OverloadSamples['recovery'][number][] = [];
  while (performance.now() - began < RECOVERY_MS) {
    const one = await next(SECOND);
    recovery.push({ ...one, afterMs: Math.round(performance.now() - began) });
  }
  return recovery;
}

function overloadFacts(samples: OverloadSamples): Endurance['facts'] {
  const { possible, before, during, recovery, after } = samples;
  return {
    'possible, calls per second': possible,
    'offered per second': offeredPerSecond(during),
    'answered per second': answeredPerSecond(during),
    'ends during it': total(during.map(({ outcomes }) => outcomes)),
    'longest, ms': Math.max(...during.map(({ longestMs }) => longestMs)),
    'heaps, MiB': [before, ...during].map(({ heapMiB }) => heapMiB),
    'RSS, MiB': [before, ...during].map(({ rssMiB }) => rssMiB),
    'Redis, MiB': [before, ...during].map(({ redisMiB }) => redisMiB),
    'answered per second before': before.answeredPerSecond,
    'in each second after it': recovery.map((one) => one.answeredPerSecond),
    'as before after, ms': msUntilBack(samples),
    after,
  };
}

const offeredPerSecond = (during: readonly Sample[]) =>
  Math.round(mean(during.map((one) => one.madePerSecond)));

const answeredPerSecond = (during: readonly Sample[]) =>
  Math.round(mean(during.map((one) => one.answeredPerSecond)));

/** When nothing failed any more, and as much was answered as before; undefined: never. */
function msUntilBack({ before, recovery }: OverloadSamples): number | undefined {
  return recovery.find((one) => isAsBefore(one, before))?.afterMs;
}

function isAsBefore(one: Sample, before: Sample): boolean {
  const isFast = one.answeredPerSecond >= BACK_SHARE * before.answeredPerSecond;
  return isFast && unforeseen(one.outcomes, ['ok']) === undefined;
}

/** What is not as it should be. */
export function judgeOverload(samples: OverloadSamples): string[] {
  return [...judgeLoad(samples), ...judgeMemory(samples), ...judgeReturn(samples)];
}

function judgeLoad({ isHeldBack, possible, before, during }: OverloadSamples): string[] {
  const failures: string[] = [];
  // Whoever does more now than was measured could do more then.
  const most = Math.max(possible, answeredPerSecond(during));
  const times = offeredPerSecond(during) / most;
  const outcomes = total(during.map((one) => one.outcomes));
  const done = answeredPerSecond(during) / possible;
  if (!(times >= LEAST_OVERLOAD))
    failures.push(`the load was only ${times.toFixed(1)} times what the nodes can do`);
  // Who waits in a handler for a connection does so until its caller gives up, which is when it gets one.
  if (isHeldBack && !(done >= LEAST_DONE))
    failures.push(`the nodes did only ${Math.round(100 * done)} % of what they can`);
  const late = lateShare(outcomes);
  if (isHeldBack && !(late <= MOST_LATE))
    failures.push(`${(100 * late).toFixed(1)} % of what was not refused was not answered in time`);
  const wrong = unforeseen(outcomes, ENDS);
  if (wrong !== undefined) failures.push(`calls ended with ${wrong}`);
  const early = unforeseen(before.outcomes, ['ok']);
  if (early !== undefined) failures.push(`before it: ${early}`);
  return failures;
}

function lateShare(outcomes: Readonly<Record<string, number>>): number {
  const { CLOUDS_OVERLOADED: refused = 0, CLOUDS_TIMEOUT = 0, CLOUDS_EXPIRED = 0 } = outcomes;
  return (CLOUDS_TIMEOUT + CLOUDS_EXPIRED) / (ended(outcomes) - refused);
}

function judgeMemory({ before, during }: OverloadSamples): string[] {
  const failures: string[] = [];
  const peak = (of: (one: Sample) => number) => Math.max(...during.map(of));
  if (peak(({ rssMiB }) => rssMiB) > 2 * before.rssMiB)
    failures.push('the memory of the processes has doubled');
  if (peak(({ redisMiB }) => redisMiB) > before.redisMiB + MOST_REDIS_GROWTH_MIB)
    failures.push(`Redis holds ${MOST_REDIS_GROWTH_MIB} MiB more`);
  return failures;
}

function judgeReturn(samples: OverloadSamples): string[] {
  const failures: string[] = [];
  const { before, after } = samples;
  if ((msUntilBack(samples) ?? Infinity) > RECOVERY_MS + LATE_MS)
    failures.push(`${RECOVERY_MS} ms after it the throughput was not yet back`);
  const wrong = unforeseen(after.outcomes, ['ok']);
  if (wrong !== undefined) failures.push(`after it: ${wrong}`);
  if (!(after.answeredPerSecond >= BACK_SHARE * before.answeredPerSecond))
    failures.push(`after it ${after.answeredPerSecond} calls per second are answered`);
  if (after.longestMs > LONGEST_AFTER_MS)
    failures.push(`after it a call took ${after.longestMs} ms`);
  return failures;
}
