import { setTimeout as delay } from 'node:timers/promises';
import { total } from './total.js';
import type { Counts } from './programs/tally.js';
import type { Report } from './programs/messages.js';
import { SingleRedis } from './single-redis.js';
import { World, type WorldPlan } from './world.js';

export const SECOND = 1000;

/** What a long load came to: what was seen, and what of it is not as it should be. */
export interface Endurance {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly failures: readonly string[];
}

export type Say = (line: string) => void;

/** What all processes use together, and what became of calls since the sample before. */
export interface Sample extends Omit<Counts, 'spanMs'> {
  readonly heapMiB: number;
  /** Of the process that has the largest. */
  readonly largestHeapMiB: number;
  readonly rssMiB: number;
  readonly handles: number;
  readonly madePerSecond: number;
  /** Calls that ended with what the handler returned, or threw. */
  readonly answeredPerSecond: number;
}

export interface RedisSample {
  readonly redisClients: number;
  readonly redisMiB: number;
}

type Load = Omit<WorldPlan<SingleRedis>, 'seed' | 'startRedis' | 'hasHistory'>;

export function openWorld(load: Load): Promise<World<SingleRedis>> {
  return World.open({ ...load, seed: 1, startRedis: SingleRedis.start, hasHistory: false });
}

/** What all callers make together from now on, and how many calls each may have out. */
export function setRate(world: World, callsPerSecond: number, mostOut?: number): void {
  const { callers } = world;
  const share = callsPerSecond / callers.length;
  for (const slot of callers) slot.order({ kind: 'rate', callsPerSecond: share, mostOut });
}

/** A sampler that waits before each sample, and says what it was. */
export function sampling<S>(take: () => Promise<S>, say: Say): (ms: number) => Promise<S> {
  return async (ms) => {
    await delay(ms);
    const one = await take();
    say(JSON.stringify(one));
    return one;
  };
}

export async function sample(world: World): Promise<Sample> {
  const reports = await Promise.all(world.slots.map((slot) => slot.report()));
  return summary(reports.filter((report) => report !== undefined));
}

export function summary(reports: readonly Report[]): Sample {
  const sum = (of: (report: Report) => number) =>
    Math.round(reports.reduce((all, one) => all + of(one), 0));
  const most = (of: (report: Report) => number) => Math.round(Math.max(...reports.map(of)));
  const perSecond = (of: (report: Report) => number) =>
    sum((report) => (SECOND * of(report)) / report.spanMs);
  return {
    heapMiB: sum(({ heapMiB }) => heapMiB),
    largestHeapMiB: most(({ heapMiB }) => heapMiB),
    rssMiB: sum(({ rssMiB }) => rssMiB),
    handles: sum(({ handles }) => handles),
    made: sum(({ made }) => made),
    madePerSecond: perSecond(({ made }) => made),
    answeredPerSecond: perSecond(({ outcomes }) => answered(outcomes)),
    skipped: sum(({ skipped }) => skipped),
    mostOut: most(({ mostOut }) => mostOut),
    outcomes: total(reports.map(({ outcomes }) => outcomes)),
    turnedAway: sum(({ turnedAway }) => turnedAway),
    longestMs: most(({ longestMs }) => longestMs),
  };
}

/** Redis must be there. */
export async function sampleRedis({ redis: { admin } }: World): Promise<RedisSample> {
  const clients = (await admin.client('LIST')) as string;
  const memory = await admin.info('memory');
  return {
    redisClients: clients.split('\n').filter((line) => line.includes('user=chaos')).length,
    redisMiB: Math.round(Number(/used_memory:(\d+)/.exec(memory)![1]) / 2 ** 20),
  };
}

type Outcomes = Readonly<Record<string, number>>;

/** How many calls came to their handlers and back. */
export function answered({ ok = 0, thrown = 0 }: Outcomes): number {
  return ok + thrown;
}

/** How many calls have ended. */
export function ended(outcomes: Outcomes): number {
  return Object.values(outcomes).reduce((all, one) => all + one, 0);
}

/** The ends that are not among those which were expected, with their numbers; undefined if there are none. */
export function unforeseen(outcomes: Outcomes, ends: readonly string[]): string | undefined {
  const others = Object.entries(outcomes).filter(([end]) => !ends.includes(end));
  return others.map(([end, calls]) => `${calls} ${end}`).join(', ') || undefined;
}

export const mean = (values: readonly number[]) =>
  values.reduce((all, one) => all + one, 0) / values.length;
