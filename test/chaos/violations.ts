import type { HistoryEvent } from './history.js';

/** What the clocks of two processes of one machine may differ by, with what lies between an act and its note. */
export const CLOCK_MS = 5;

export type ViolationKind =
  | 'was sent twice'
  | 'never ended'
  | 'ended twice'
  | 'ended elsewhere'
  | 'ended late'
  | 'timed out early'
  | 'ended before its handler'
  | 'has an end that it cannot have'
  | 'has an end that nothing caused'
  | 'got what is not its own'
  | 'ran twice'
  | 'ran twice in a group'
  | 'ran twice at a node'
  | 'ran an attempt twice'
  | 'ran an attempt that it does not have'
  | 'ran without being sent'
  | 'ran without being dispatched'
  | 'ended its run twice'
  | 'started after its time'
  | 'started after its end'
  | 'went on after its end'
  | 'says that it did not run'
  | 'says that it ran'
  | 'dispatched too often'
  | 'dispatched after its end';

export interface Violation {
  readonly kind: ViolationKind;
  readonly key: string;
  /** All that is known of the call, in the order of time. */
  readonly events: readonly HistoryEvent[];
}
