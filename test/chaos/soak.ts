import { setTimeout as delay } from 'node:timers/promises';
import { Dice } from './dice.js';
import {
  answered,
  type Endurance,
  ended,
  openWorld,
  type RedisSample,
  sample,
  type Sample,
  sampleRedis,
  type Say,
  SECOND,
  unforeseen,
} from './endurance.js';
import { SINGLE_FAULTS } from './single-faults.js';
import { total } from './total.js';

/** Faults that end a node or a caller would make its memory start anew. */
export const SOAK_FAULTS = SINGLE_FAULTS.filter(
  ({ name }) => !/^(node|caller) killed|SIGTERM/.test(name),
);
const FAULT_EVERY_MS = 20 * SECOND;
/** How long after a fault calls may still fail. */
const RECOVERY_MS = 10 * SECOND;
const CALM_MS = 5 * SECOND;
/** The longest streams take a second on a busy machine. Three attempts still end within the recovery. */
const TIMEOUT_MS = 3 * SECOND;

/** One has a limit, but room for all calls when nothing is wrong. */
const SERVICES = { plain: {}, roomy: { capacity: 200 } };

/** Handles are also the timers of the work that happens to be under way. */
const MOST_TIMERS = 8;

const LEAST_ANSWERED = 0.97;
const CALM_ENDS = ['ok', 'thrown'];

/** A fault, and what followed. */
export interface Round {
  readonly fault: string;
  /** With the fault, and the time after it. */
  readonly struck: Sample;
  /** When the fault is over and forgotten: what is out then is the load. */
  readonly calm: Sample & RedisSample;
}

export interface SoakPlan {
  readonly minutes: number;
  /** Of each caller. */
  readonly callsPerSecond: number;
}

/** A steady load with a fault now and then: calls are answered, and nothing may grow. */
export async function soak({ minutes, callsPerSecond }: SoakPlan, say: Say): Promise<Endurance> {
  const world = await openWorld({
    nodes: 2,
    callers: 2,
    callsPerSecond,
    services: SERVICES,
    timeoutMs: TIMEOUT_MS,
  });
  const rounds: Round[] = [];
  try {
    const end = performance.now() + minutes * 60 * SECOND;
    for (let number = 1; performance.now() < end; number++) {
      const dice = new Dice(1, number);
      const fault = dice.pick(SOAK_FAULTS);
      const next = delay(FAULT_EVERY_MS);
      await fault.strike(world, dice, (ms) => delay(ms));
      await delay(RECOVERY_MS);
      const struck = await sample(world);
      await delay(CALM_MS);
      const calm = { ...(await sample(world)), ...(await sampleRedis(world)) };
      rounds.push({ fault: fault.name, struck, calm });
      say(JSON.stringify(rounds.at(-1)));
      await next;
    }
    await Promise.all(world.callers.map((slot) => slot.finish()));
    const crashes = world.slots.flatMap((slot) => slot.crashes);
    const scores = await world.wrongScores();
    const failures = judgeSoak(rounds);
    if (scores !== undefined) failures.push(`scores: ${scores}`);
    return { facts: soakFacts(rounds), failures: [...crashes, ...failures] };
  } finally {
    await world.close();
  }
}

const outcomesOf = (rounds: readonly Round[]) =>
  total(rounds.flatMap(({ struck, calm }) => [struck.outcomes, calm.outcomes]));

const shareAnswered = (outcomes: Readonly<Record<string, number>>) =>
  answered(outcomes) / ended(outcomes);

/** The first quarter fills what is kept: compiled code, rings, blocks. */
function secondAndLastQuarter(rounds: readonly Round[]): [readonly Round[], readonly Round[]] {
  const quarter = Math.max(1, rounds.length >> 2);
  return [rounds.slice(quarter, 2 * quarter), rounds.slice(-quarter)];
}

type Of = (one: Round['calm']) => number;

const medianOf = (rounds: readonly Round[], of: Of) =>
  rounds.map(({ calm }) => of(calm)).toSorted((a, b) => a - b)[rounds.length >> 1]!;

function soakFacts(rounds: readonly Round[]): Endurance['facts'] {
  const [early, late] = secondAndLastQuarter(rounds);
  const range = (of: Of) => [medianOf(early, of), medianOf(late, of)];
  const outcomes = outcomesOf(rounds);
  return {
    faults: total(rounds.map(({ fault }) => ({ [fault]: 1 }))),
    outcomes,
    'answered, %': 100 * shareAnswered(outcomes),
    'outcomes without a fault': total(rounds.map(({ calm }) => calm.outcomes)),
    'heap, MiB': range(({ heapMiB }) => heapMiB),
    'RSS, MiB': range(({ rssMiB }) => rssMiB),
    handles: range(({ handles }) => handles),
    'Redis clients': range(({ redisClients }) => redisClients),
  };
}

/** What is not as it should be. */
export function judgeSoak(rounds: readonly Round[]): string[] {
  return [...judgeOutcomes(rounds), ...judgeGrowth(rounds)];
}

function judgeOutcomes(rounds: readonly Round[]): string[] {
  const failures: string[] = [];
  for (const { fault, calm } of rounds) {
    const wrong = unforeseen(calm.outcomes, CALM_ENDS);
    if (wrong !== undefined) failures.push(`long after ${fault}: ${wrong}`);
    if (answered(calm.outcomes) === 0) failures.push(`long after ${fault}: nothing is answered`);
  }
  const share = shareAnswered(outcomesOf(rounds));
  if (!(share >= LEAST_ANSWERED))
    failures.push(`only ${(100 * share).toFixed(1)} % of all calls were answered`);
  return failures;
}

function judgeGrowth(rounds: readonly Round[]): string[] {
  const failures: string[] = [];
  const [early, late] = secondAndLastQuarter(rounds);
  const grows = (of: Of, factor: number, slack = 1) =>
    medianOf(late, of) > factor * medianOf(early, of) + slack;
  if (grows(({ heapMiB }) => heapMiB, 1.1)) failures.push('the heap has grown');
  if (grows(({ handles }) => handles, 1.1, MOST_TIMERS))
    failures.push('the number of handles has grown');
  if (grows(({ redisClients }) => redisClients, 1))
    failures.push('the number of Redis clients has grown');
  return failures;
}
