import { setTimeout as delay } from 'node:timers/promises';
import { Dice } from './dice.js';
import { total } from './total.js';
import type { Report } from './programs/messages.js';
import { SINGLE_FAULTS } from './single-faults.js';
import { SingleRedis } from './single-redis.js';
import { World, type WorldPlan } from './world.js';

const SECOND = 1000;
/** Faults that end a process would make its memory start anew. */
const SOAK_FAULTS = SINGLE_FAULTS.filter(({ name }) => !/killed|SIGTERM/.test(name));
const FAULT_EVERY_MS = 20 * SECOND;
const SAMPLE_EVERY_MS = 10 * SECOND;

/** What a long load came to: what was seen, and what of it is not as it should be. */
export interface Endurance {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly failures: readonly string[];
}

type Load = Omit<WorldPlan<SingleRedis>, 'seed' | 'startRedis' | 'hasHistory'>;
type Say = (line: string) => void;

/** What all processes of one kind use together, and what became of calls. */
interface Sample {
  readonly heapMiB: number;
  readonly rssMiB: number;
  readonly handles: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly longestMs: number;
  readonly redisClients: number;
  readonly redisMiB: number;
}

function openWorld(load: Load): Promise<World<SingleRedis>> {
  return World.open({ ...load, seed: 1, startRedis: SingleRedis.start, hasHistory: false });
}

async function sample(world: World): Promise<Sample> {
  const reports = (await Promise.all(world.slots.map((slot) => slot.report()))).filter(
    (report): report is Report => report !== undefined,
  );
  const sum = (of: (report: Report) => number) =>
    Math.round(reports.reduce((all, one) => all + of(one), 0));
  const clients = (await world.redis.admin.client('LIST')) as string;
  const memory = await world.redis.admin.info('memory');
  return {
    heapMiB: sum(({ heapMiB }) => heapMiB),
    rssMiB: sum(({ rssMiB }) => rssMiB),
    handles: sum(({ handles }) => handles),
    outcomes: total(reports.map(({ outcomes }) => outcomes)),
    longestMs: Math.round(Math.max(...reports.map(({ longestMs }) => longestMs))),
    redisClients: clients.split('\n').filter((line) => line.includes('user=chaos')).length,
    redisMiB: Math.round(Number(/used_memory:(\d+)/.exec(memory)![1]) / 2 ** 20),
  };
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** A steady load with a fault now and then: nothing may grow. */
export async function soak(minutes: number, callsPerSecond: number, say: Say): Promise<Endurance> {
  const world = await openWorld({
    nodes: 2,
    callers: 2,
    callsPerSecond,
  });
  const samples: Sample[] = [];
  const faults: Record<string, number> = {};
  try {
    const end = performance.now() + minutes * 60 * SECOND;
    for (let number = 1; performance.now() < end; number++) {
      const dice = new Dice(1, number);
      const fault = dice.pick(SOAK_FAULTS);
      faults[fault.name] = (faults[fault.name] ?? 0) + 1;
      const next = delay(FAULT_EVERY_MS);
      await fault.strike(world, dice, (ms) => delay(ms));
      // When the fault is over and forgotten: what is out then is the load.
      await delay(SAMPLE_EVERY_MS);
      samples.push(await sample(world));
      say(`${fault.name}: ${JSON.stringify(samples.at(-1))}`);
      await next;
    }
    await Promise.all(world.callers.map((slot) => slot.finish()));
    const scores = await world.wrongScores();
    return judgeSoak(
      samples,
      faults,
      scores,
      world.slots.flatMap(({ crashes }) => crashes),
    );
  } finally {
    await world.close();
  }
}

function judgeSoak(
  samples: readonly Sample[],
  faults: Readonly<Record<string, number>>,
  scores: string | undefined,
  crashes: readonly string[],
): Endurance {
  const quarter = Math.max(1, samples.length >> 2);
  // The first quarter fills what is kept: compiled code, rings, blocks.
  const [early, late] = [samples.slice(quarter, 2 * quarter), samples.slice(-quarter)];
  const grows = (of: (one: Sample) => number, factor: number) =>
    median(late.map(of)) > factor * median(early.map(of)) + 1;
  const failures = [...crashes, ...(scores === undefined ? [] : [`scores: ${scores}`])];
  if (grows(({ heapMiB }) => heapMiB, 1.1)) failures.push('the heap has grown');
  if (grows(({ handles }) => handles, 1.1)) failures.push('the number of handles has grown');
  if (grows(({ redisClients }) => redisClients, 1))
    failures.push('the number of Redis clients has grown');
  const range = (of: (one: Sample) => number) => [median(early.map(of)), median(late.map(of))];
  return {
    failures,
    facts: {
      faults,
      outcomes: total(samples.map(({ outcomes }) => outcomes)),
      'heap, MiB': range(({ heapMiB }) => heapMiB),
      'RSS, MiB': range(({ rssMiB }) => rssMiB),
      handles: range(({ handles }) => handles),
      'Redis clients': range(({ redisClients }) => redisClients),
    },
  };
}

const BUSY_MS = 2;
const OVERLOAD = 3;
const RECOVERY_MS = 5 * SECOND;
/** What calls may end with when there are too many. */
const OVERLOAD_ENDS = ['ok', 'CLOUDS_TIMEOUT', 'CLOUDS_OVERLOADED', 'CLOUDS_EXPIRED'];

/** Three times as many calls as the nodes can do: they do what they can, and are themselves again soon after. */
export async function overload(
  seconds: number,
  capacity: number | undefined,
  say: Say,
): Promise<Endurance> {
  const nodes = 2;
  const callers = 2;
  const possible = (nodes * SECOND) / BUSY_MS / 2;
  const world = await openWorld({
    nodes,
    callers,
    callsPerSecond: possible / 2 / callers,
    services: { busy: { capacity } },
    busyMs: BUSY_MS,
  });
  const setRate = (rate: number) => {
    for (const slot of world.callers) slot.order({ kind: 'rate', callsPerSecond: rate / callers });
  };
  try {
    await delay(5 * SECOND);
    const before = await sample(world);
    setRate(OVERLOAD * possible);
    const during: Sample[] = [];
    for (let second = 0; second < seconds; second += 5) {
      await delay(5 * SECOND);
      during.push(await sample(world));
      say(JSON.stringify(during.at(-1)));
    }
    setRate(possible / 2);
    await delay(RECOVERY_MS);
    await sample(world);
    await delay(5 * SECOND);
    const after = await sample(world);
    return judgeOverload(before, during, after);
  } finally {
    await world.close();
  }
}

function judgeOverload(before: Sample, during: readonly Sample[], after: Sample): Endurance {
  const outcomes = total(during.map((one) => one.outcomes));
  const failures: string[] = [];
  const [, ...later] = during;
  const peak = (of: (one: Sample) => number) => Math.max(...later.map(of));
  if (peak(({ rssMiB }) => rssMiB) > 2 * before.rssMiB)
    failures.push('the memory of the processes has doubled');
  if (peak(({ redisMiB }) => redisMiB) > before.redisMiB + 100)
    failures.push('Redis holds 100 MiB more');
  const unforeseen = Object.keys(outcomes).filter((name) => !OVERLOAD_ENDS.includes(name));
  if (unforeseen.length > 0) failures.push(`calls ended with ${unforeseen.join(', ')}`);
  if (Object.keys(after.outcomes).join() !== 'ok')
    failures.push(`after it: ${JSON.stringify(after.outcomes)}`);
  if (after.longestMs > 500) failures.push(`after it a call took ${after.longestMs} ms`);
  return { failures, facts: { before, outcomes, 'last sample': during.at(-1), after } };
}

/** Redis away under load: what waits is bounded, what fails says why, and all is well when it is back. */
export async function outage(seconds: number, maxWaiting: number, say: Say): Promise<Endurance> {
  const world = await openWorld({
    nodes: 2,
    callers: 2,
    callsPerSecond: 500,
    options: { service: { maxWaiting } },
  });
  try {
    await delay(5 * SECOND);
    const before = await sampleWithoutRedis(world);
    const during: Report[][] = [];
    await world.redis.restart(async () => {
      for (let second = 0; second < seconds; second += 5) {
        await delay(5 * SECOND);
        during.push(await sampleWithoutRedis(world));
        say(
          JSON.stringify(
            during.at(-1)!.map(({ heapMiB, outcomes }) => [Math.round(heapMiB), outcomes]),
          ),
        );
      }
    });
    await delay(RECOVERY_MS);
    await sampleWithoutRedis(world);
    await delay(5 * SECOND);
    const after = total((await sampleWithoutRedis(world)).map(({ outcomes }) => outcomes));
    const heap = (reports: readonly Report[]) =>
      Math.round(Math.max(...reports.map(({ heapMiB }) => heapMiB)));
    const failures: string[] = [];
    const strange = Object.keys(after).filter(
      (name) => !['ok', 'thrown', 'CLOUDS_OVERLOADED'].includes(name),
    );
    if (strange.length > 0) failures.push(`after it calls ended with ${strange.join(', ')}`);
    const outcomes = total(during.flat().map((one) => one.outcomes));
    const wrong = Object.keys(outcomes).filter(
      (name) =>
        ![
          'ok',
          'thrown',
          'CLOUDS_TIMEOUT',
          'CLOUDS_OVERLOADED',
          'CLOUDS_NODE_LOST',
          'CLOUDS_DISCONNECTED',
          'CLOUDS_NO_NODE',
        ].includes(name),
    );
    if (wrong.length > 0) failures.push(`calls ended with ${wrong.join(', ')}`);
    const heaps = [heap(before), ...during.map(heap)];
    if (Math.max(...heaps) > heaps[0]! + 50) failures.push('a heap has grown by more than 50 MiB');
    return { failures, facts: { 'heaps, MiB': heaps, outcomes, after } };
  } finally {
    await world.close();
  }
}

async function sampleWithoutRedis(world: World): Promise<Report[]> {
  const reports = await Promise.all(world.slots.map((slot) => slot.report()));
  return reports.filter((report): report is Report => report !== undefined);
}
