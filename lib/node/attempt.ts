import type { Call } from './call.js';

/** A call as it was when it was dispatched; it may have gone on since. */
export interface Attempt {
  readonly call: Call;
  readonly attempt: number;
  readonly dispatch: number;
}

/** Whether the call still waits for this dispatch. */
export function isCurrent({ call, dispatch }: Attempt): boolean {
  return !call.isSettled && call.dispatch === dispatch;
}

/** Whether the node has refused this request, which may be on its way again since. */
export function isVoid({ call, attempt, dispatch }: Attempt): boolean {
  return call.attempt === attempt && call.dispatch !== dispatch;
}
