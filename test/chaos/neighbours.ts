import { FLOOD } from './flood.js';
import type { HistoryEvent, Replied, Sent, Stalled } from './history.js';

/** A frozen node stands still for longer than any that only has much to do. */
const FROZEN_MS = 400;
/** With fewer calls the slowest of a hundred says nothing. */
const ENOUGH = 500;
const FACTOR = 2;

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

interface Answered {
  readonly sent: Sent;
  readonly reply: Replied;
}

/** Requests that were answered at their first attempt, between processes neither of which stood still. */
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

function* undisturbed(history: readonly HistoryEvent[]): Iterable<Answered> {
  const requests = new Map<string, Sent>();
  const moved = new Set<string>();
  for (const event of history) {
    if (event.what === 'sent' && event.kind === 'request') requests.set(event.key, event);
    if (event.what === 'dispatched' && event.attempt > 1) moved.add(event.key);
  }
  const frozen = history.filter(isFrozen);
  for (const reply of history) {
    if (reply.what !== 'replied' || reply.from === undefined || moved.has(reply.key)) continue;
    const sent = requests.get(reply.key);
    if (sent && !frozen.some((stall) => concerns(stall, sent, reply))) yield { sent, reply };
  }
}

function isFrozen(event: HistoryEvent): event is Stalled {
  return event.what === 'stalled' && event.ms > FROZEN_MS;
}

function concerns(stall: Stalled, call: Sent, reply: Replied): boolean {
  const isOfOne = stall.by === call.by || stall.by === reply.from;
  return isOfOne && stall.at - stall.ms <= reply.at && call.at <= stall.at;
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
