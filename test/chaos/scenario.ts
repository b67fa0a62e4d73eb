import { setTimeout as delay } from 'node:timers/promises';
import { within } from '../../lib/common/durations.js';
import { check } from './checker.js';
import { Dice } from './dice.js';
import { aftermathMs, type Fault, holdsMessages } from './faults.js';
import { clockMs, type Held, type HistoryEvent, type Replied, type Struck } from './history.js';
import { type Neighbours, neighboursOf, type Strike } from './neighbours.js';
import { unpromisedEnds } from './promised.js';
import type { RedisServer } from './redis-server.js';
import { type Span, unrecoveredIn } from './rest.js';
import { isRollout, lossesOf } from './rollout.js';
import { watchStalls } from './stalls.js';
import { total } from './total.js';
import type { Violation } from './violations.js';
import { World, type WorldPlan } from './world.js';

/** Longer than any call may take when all faults are over. */
const LAST_CALLS_MS = 15_000;
/**
 * How long the load goes on when every caller is answered again: within two heartbeats all that nodes have to put
 * right comes to light.
 */
const CALM_MS = 2000;
/** How often a fault strikes before the last one is over. */
const OVERLAP = 0.3;

export interface ScenarioPlan<R extends RedisServer> extends WorldPlan<R> {
  readonly faults: readonly Fault<R>[];
  /** How long faults strike. */
  readonly ms: number;
  /** Whether each is over before the next strikes. */
  readonly isOneByOne?: boolean;
}

/** What came of it. */
export interface ScenarioResult {
  readonly seed: number;
  /** The only one that could strike. */
  readonly fault?: string;
  readonly calls: number;
  /** How often each fault struck. */
  readonly faults: Readonly<Record<string, number>>;
  /** How calls ended: `ok`, `thrown`, or a code. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Calls that more than one attempt was made of. */
  readonly moved: number;
  readonly longestMs: number;
  readonly violations: readonly Violation[];
  /** How long calls took that have nothing to do with a frozen node that is flooded: meanwhile, and else. */
  readonly neighbours: Neighbours;
  /** What is wrong beside the calls: scores, processes that ended by themselves, or that are cut off. */
  readonly failures: readonly string[];
}

/** Lets faults strike a world under load, then lets it come to rest, and judges what its processes saw. */
export async function runScenario<R extends RedisServer>(
  plan: ScenarioPlan<R>,
  onFault: (name: string) => void = () => {},
): Promise<ScenarioResult> {
  const holds: Held[] = [];
  // The proxies live in this process. Callers begin as soon as they are ready, when other worlds may still be built.
  const endWatch = watchStalls((at, ms) => holds.push({ what: 'held', at, by: 'proxies', ms }));
  try {
    return await runIn(
      await World.open({ ...plan, isPatient: isRollout(plan) }),
      plan,
      holds,
      onFault,
    );
  } finally {
    endWatch();
  }
}

async function runIn<R extends RedisServer>(
  world: World<R>,
  plan: ScenarioPlan<R>,
  holds: readonly Held[],
  onFault: (name: string) => void,
): Promise<ScenarioResult> {
  try {
    const strikes = await strikeAll(world, plan, onFault);
    const { failures, calm } = await comeToRest(world, strikes);
    const seen = await world.finish();
    const crashes = world.slots.flatMap((slot) => slot.crashes);
    const history = [...seen, ...holds, ...strikes.map(struckBy), ...strikes.flatMap(holdOf)];
    return {
      seed: plan.seed,
      fault: plan.faults.length === 1 ? plan.faults[0]!.name : undefined,
      faults: total(strikes.map(({ name }) => ({ [name]: 1 }))),
      failures: [
        ...crashes,
        ...failures,
        ...(calm ? unrecoveredIn(calm, history, world.limited) : []),
        ...lossesOf(plan, history, world.groups),
        ...unpromisedEnds(plan.faults, history, world.limited),
      ],
      neighbours: neighboursOf(history, strikes),
      ...judge(history),
    };
  } finally {
    await world.close();
  }
}

function struckBy({ name, from, to }: Strike): Struck {
  return { what: 'struck', at: to, by: name, ms: to - from };
}

function holdOf({ name, from, to }: Strike): Held[] {
  return holdsMessages(name) ? [{ what: 'held', at: to, by: name, ms: to - from }] : [];
}

/** How a world is that no fault strikes any more. */
interface Rest {
  /** What is wrong with it. */
  readonly failures: readonly string[];
  /** When nothing was to be wrong; undefined if that time did not come. */
  readonly calm: Span | undefined;
}

async function comeToRest(world: World, strikes: readonly Strike[]): Promise<Rest> {
  await world.redis.settled();
  const unanswered = await world.unanswered();
  const calm = unanswered.length === 0 ? await passCalmTime(strikes) : undefined;
  await Promise.all(world.callers.map((slot) => within(LAST_CALLS_MS, slot.finish())));
  const wrongScores = await world.wrongScores();
  const failures = [
    ...unanswered.map((name) => `${name} is not answered any more`),
    ...(wrongScores === undefined ? [] : [`scores: ${wrongScores}`]),
  ];
  return { failures, calm };
}

/** A connection that a fault has left half-open has its time to be noticed. */
async function passCalmTime(strikes: readonly Strike[]): Promise<Span> {
  const calmAt = Math.max(0, ...strikes.map(({ name, to }) => to + aftermathMs(name)));
  await delay(Math.max(0, calmAt - clockMs()));
  const from = clockMs();
  await delay(CALM_MS);
  return { from, to: clockMs() };
}

/** The same faults in the same order for a seed; how far the processes are by then is not up to it. */
async function strikeAll<R extends RedisServer>(
  world: World<R>,
  { faults, ms, seed, isOneByOne }: ScenarioPlan<R>,
  onFault: (name: string) => void,
): Promise<Strike[]> {
  const strikes: Promise<Strike>[] = [];
  const wait = (pauseMs: number) => delay(pauseMs);
  const end = performance.now() + ms;
  for (let number = 1; faults.length > 0 && performance.now() < end; number++) {
    const dice = new Dice(seed, number);
    await wait(dice.between(50, 600));
    const fault = dice.pick(faults);
    const isOver = !dice.chance(OVERLAP) || isOneByOne;
    onFault(fault.name);
    const from = clockMs();
    const over = fault.strike(world, dice, wait);
    strikes.push(over.then(() => ({ name: fault.name, from, to: clockMs() })));
    if (isOver) await over;
  }
  await wait(Math.max(0, end - performance.now()));
  return Promise.all(strikes);
}

function judge(history: readonly HistoryEvent[]) {
  const replies = history.filter((event): event is Replied => event.what === 'replied');
  const sentAt = new Map<string, number>();
  const moved = new Set<string>();
  for (const event of history) {
    if (event.what === 'sent') sentAt.set(event.key, event.at);
    if (event.what === 'dispatched' && event.attempt > 1) moved.add(event.key);
  }
  const outcomes: Record<string, number> = {};
  let longestMs = 0;
  for (const { outcome, key, at } of replies) {
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    longestMs = Math.max(longestMs, at - (sentAt.get(key) ?? at));
  }
  return { calls: sentAt.size, outcomes, moved: moved.size, longestMs, violations: check(history) };
}
