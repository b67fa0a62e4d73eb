import { failedCalls } from './failed-calls.js';
import type { HistoryEvent } from './history.js';

/** The fault of which a rollout is made. */
export const RESTART = 'node restarted by SIGTERM';

/** What can happen in a run. */
interface Plan {
  readonly faults: readonly { readonly name: string }[];
  readonly isOneByOne?: boolean;
}

/** Whether nothing happens but that nodes are restarted, each when the last is back. */
export function isRollout({ faults, isOneByOne }: Plan): boolean {
  return isOneByOne === true && faults.length > 0 && faults.every(({ name }) => name === RESTART);
}

/** Says which calls a rollout has lost: it may lose none. Nothing of other plans, whose faults cost calls. */
export function lossesOf(
  plan: Plan,
  history: readonly HistoryEvent[],
  limited: ReadonlySet<string>,
): string[] {
  if (!isRollout(plan)) return [];
  const lost = Object.entries(failedCalls(history, limited));
  return lost.map(([outcome, count]) => `calls lost in restarts: ${count} ${outcome}`);
}
