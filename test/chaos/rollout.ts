import type { HistoryEvent } from './history.js';

/** The fault of which a rollout is made. */
export const RESTART = 'node restarted by SIGTERM';

/** How calls may end while nodes are restarted one after the other. */
const ENDS: ReadonlySet<string> = new Set(['ok', 'thrown']);
const REFUSED = 'CLOUDS_OVERLOADED';

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
  const lost = Object.entries(lostCalls(history, limited));
  return lost.map(([outcome, count]) => `calls lost in restarts: ${count} ${outcome}`);
}

/** How many calls have failed, by how they ended. Services with a capacity may refuse some. */
function lostCalls(
  history: readonly HistoryEvent[],
  limited: ReadonlySet<string>,
): Record<string, number> {
  const services = new Map<string, string>();
  for (const event of history) if (event.what === 'sent') services.set(event.key, event.service);
  const lost: Record<string, number> = {};
  for (const event of history) {
    if (event.what !== 'replied' || ENDS.has(event.outcome)) continue;
    const isRefused = event.outcome === REFUSED && limited.has(services.get(event.key) ?? '');
    if (!isRefused) lost[event.outcome] = (lost[event.outcome] ?? 0) + 1;
  }
  return lost;
}
