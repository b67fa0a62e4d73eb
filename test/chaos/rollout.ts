import { failedCalls } from './failed-calls.js';
import { isForGroups } from './course.js';
import type { HistoryEvent, Sent } from './history.js';

/** The fault of which a rollout is made. */
export const RESTART = 'node restarted by SIGTERM';

/** What can happen in a run. */
interface Plan {
  readonly faults: readonly { readonly name: string }[];
  readonly isOneByOne?: boolean;
}

/** In a rollout all calls wait for room: none is refused. */
const LIMITED: ReadonlySet<string> = new Set();

/** Whether nothing happens but that nodes are restarted, each when the last is back. */
export function isRollout({ faults, isOneByOne }: Plan): boolean {
  return isOneByOne === true && faults.length > 0 && faults.every(({ name }) => name === RESTART);
}

/** Says which calls and events a rollout has lost: it may lose none. Nothing of other plans, whose faults cost calls. */
export function lossesOf(
  plan: Plan,
  history: readonly HistoryEvent[],
  /** Those that get what is published. */
  groups: readonly string[],
): string[] {
  if (!isRollout(plan)) return [];
  const calls = Object.entries(failedCalls(history, LIMITED));
  const events = Object.entries(lostEvents(history, groups));
  return [
    ...calls.map(([outcome, count]) => `calls lost in restarts: ${count} ${outcome}`),
    ...events.map(([taker, count]) => `events lost in restarts: ${count} for ${taker}`),
  ];
}

/** How many events were said to have arrived and have not begun, by the service or the group that they were for. */
function lostEvents(
  history: readonly HistoryEvent[],
  groups: readonly string[],
): Record<string, number> {
  const begun = new Set<string>();
  const arrived = new Set<string>();
  for (const event of history) {
    if (event.what === 'started') begun.add(nameOf(event.key, event.group));
    else if (event.what === 'replied' && event.outcome === 'ok') arrived.add(event.key);
  }
  const lost: Record<string, number> = {};
  for (const sent of history) {
    if (sent.what !== 'sent' || !arrived.has(sent.key)) continue;
    for (const taker of takersOf(sent, groups))
      if (!begun.has(nameOf(sent.key, taker))) {
        const name = taker ?? sent.service;
        lost[name] = (lost[name] ?? 0) + 1;
      }
  }
  return lost;
}

/** The groups in which it has to run, undefined for a service; nobody if it is no event. */
function takersOf(sent: Sent, groups: readonly string[]): readonly (string | undefined)[] {
  if (isForGroups(sent)) return groups;
  return sent.kind === 'event' ? [undefined] : [];
}

function nameOf(key: string, group = ''): string {
  return `${key} ${group}`;
}
