import { FLOOD } from './flood.js';
import type { HistoryEvent, Replied, Sent, Stalled } from './history.js';

/** A frozen node stands still for longer than any that only has much to do. */
const FROZEN_MS = 400;
/** With fewer calls the slowest of a hundred says nothing. */
export const ENOUGH = 500;
const FACTOR = 2;
const TIMEOUT = 'CLOUDS_TIMEOUT';

/** When a fault struck and was over, on the clock of the histories. */
export interface Strike {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** How long calls took, in ms. */
export interface Neighbours {
  readonly calm: readonly number[];
  /** While a frozen node was flooded, and nothing else was wrong. */
  readonly flooded: readonly number[];
}

/** A request that has ended. */
interface Outcome {
  readonly sent: Sent;
  readonly reply: Replied;
  /** The process that was to answer; undefined if nobody knows whether there was one. */
  readonly node: string | undefined;
}

/**
 * Requests between processes neither of which stood still, that were answered at their first attempt, or for which the
 * time of that ended: those count with all the time that they took.
 */
export function neighboursOf(
  history: readonly HistoryEvent[],
  strikes: readonly Strike[],
): Neighbours {
  const calm: number[] = [];
  const flooded: number[] = [];
  for (const { sent, reply } of undisturbed(history)) {
    const during = strikes.filter(({ from, to }) => from <= reply.at && sent.at <= to);
    const isFlooded = during.length === 1 && during[0]!.name === FLOOD;
    if (during.length === 0) calm.push(reply.at - sent.at);
    else if (isFlooded) flooded.push(reply.at - sent.at);
  }
  return { calm, flooded };
}

function* undisturbed(history: readonly HistoryEvent[]): Iterable<Outcome> {
  const frozen = history.filter(isFrozen);
  for (const outcome of outcomes(history))
    if (!frozen.some((stall) => concerns(stall, outcome))) yield outcome;
}

function* outcomes(history: readonly HistoryEvent[]): Iterable<Outcome> {
  const requests = new Map<string, Sent>();
  for (const event of history)
    if (event.what === 'sent' && event.kind === 'request') requests.set(event.key, event);
  const movedAt = movesOf(history);
  const places = firstPlaces(history);
  for (const reply of history) {
    if (reply.what !== 'replied') continue;
    const { key, outcome, from } = reply;
    const sent = requests.get(key);
    if (sent === undefined) continue;
    const leftAt = movedAt.get(key);
    const hasTimedOut =
      leftAt === undefined ? outcome === TIMEOUT : leftAt - sent.at >= sent.timeoutMs;
    if (hasTimedOut) yield { sent, reply, node: places.get(key) };
    else if (leftAt === undefined && from !== undefined) yield { sent, reply, node: from };
  }
}

/** When each call went on to its second attempt. */
function movesOf(history: readonly HistoryEvent[]): ReadonlyMap<string, number> {
  const movedAt = new Map<string, number>();
  for (const event of history) {
    if (event.what !== 'dispatched' || event.attempt !== 2) continue;
    movedAt.set(event.key, Math.min(event.at, movedAt.get(event.key) ?? event.at));
  }
  return movedAt;
}

/** Which process had the first attempt of each call, as far as its caller was told. */
function firstPlaces(history: readonly HistoryEvent[]): ReadonlyMap<string, string> {
  const processes = new Map<string, string>();
  for (const event of history) if (event.what === 'joined') processes.set(event.nodeId, event.by);
  const places = new Map<string, string>();
  for (const event of history) {
    if (event.what !== 'told' || event.nodeId === undefined || places.has(event.key)) continue;
    const process = processes.get(event.nodeId);
    if (process !== undefined) places.set(event.key, process);
  }
  return places;
}

function isFrozen(event: HistoryEvent): event is Stalled {
  return event.what === 'stalled' && event.ms > FROZEN_MS;
}

function concerns(stall: Stalled, { sent, reply, node }: Outcome): boolean {
  const isOfOne = stall.by === sent.by || stall.by === node;
  return isOfOne && stall.at - stall.ms <= reply.at && sent.at <= stall.at;
}

/** The slowest of a hundred with and without a flood; undefined if too few calls were seen. */
export function compare(all: readonly Neighbours[]) {
  const [calm, flooded] = [all.flatMap((one) => one.calm), all.flatMap((one) => one.flooded)];
  if (Math.min(calm.length, flooded.length) < ENOUGH) return undefined;
  const [calmMs, floodedMs] = [p99(calm), p99(flooded)];
  return { calmMs, floodedMs, isWrong: floodedMs > FACTOR * calmMs };
}

function p99(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(0.99 * times.length)]!;
}
