import type { HistoryEvent } from './history.js';

/** How calls end when nothing is wrong. */
const ENDS: ReadonlySet<string> = new Set(['ok', 'thrown', 'left']);
const REFUSED = 'CLOUDS_OVERLOADED';

/** How many calls have failed, by how they ended. Services with a capacity may refuse some. */
export function failedCalls(
  history: readonly HistoryEvent[],
  limited: ReadonlySet<string>,
): Record<string, number> {
  const services = new Map<string, string>();
  for (const event of history) if (event.what === 'sent') services.set(event.key, event.service);
  const failed: Record<string, number> = {};
  for (const event of history) {
    if (event.what !== 'replied' || ENDS.has(event.outcome)) continue;
    const isRefused = event.outcome === REFUSED && limited.has(services.get(event.key) ?? '');
    if (!isRefused) failed[event.outcome] = (failed[event.outcome] ?? 0) + 1;
  }
  return failed;
}
