import { nodeIdOf } from '../protocol/ids.js';
import type { Call } from './call.js';

/**
 * The answer for an attempt that is over: that node has the call too, and need not finish it, unless it has the present
 * attempt as well. Whether it has is known when that one has its answer.
 */
export function onLatePlacement(call: Call, incarnation: string): void {
  if (call.isOneWay || call.isAnswered) return;
  if (call.isPlaceInDoubt) return call.keepEarlierPlace(incarnation);
  call.addTried(incarnation);
  if (incarnation !== call.place) call.path.cancel(incarnation, call.id);
}

/** It is known now which node has the present attempt, or that none has it, or it does not matter any more. */
export function cancelEarlier(call: Call): void {
  for (const incarnation of call.takeEarlierPlaces())
    if (incarnation !== call.place) cancelOne(call, incarnation);
}

/** A stream that has begun comes from where it began. */
function cancelOne(call: Call, earlier: string): void {
  const hasBegun = !call.isSettled && call.streamsFrom === nodeIdOf(earlier);
  const needless = hasBegun ? call.place : earlier;
  if (hasBegun) call.place = earlier;
  else call.addTried(earlier);
  if (needless !== undefined) call.path.cancel(needless, call.id);
}
