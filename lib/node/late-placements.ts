import type { Call } from './call.js';

/**
 * The answer for an attempt that is over: that node has the call too, and need not finish it, unless it has the present
 * attempt as well. Whether it has is known when that one has its answer.
 */
export function onLatePlacement(call: Call, incarnation: string): void {
  if (call.isOneWay || call.isAnswered) return;
  call.addTried(incarnation);
  if (call.isPlaceInDoubt) call.keepEarlierPlace(incarnation);
  else if (incarnation !== call.place) call.path.cancel(incarnation, call.id);
}

/** It is known now which node has the present attempt, or that none has it, or it does not matter any more. */
export function cancelEarlier(call: Call): void {
  for (const incarnation of call.takeEarlierPlaces())
    if (incarnation !== call.place) call.path.cancel(incarnation, call.id);
}
