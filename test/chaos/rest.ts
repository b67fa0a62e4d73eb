import { failedCalls } from './failed-calls.js';
import type { HistoryEvent, Sent } from './history.js';
import type { Report } from './programs/messages.js';

/** What is in Redis of one service, and what should be. */
export interface Membership {
  readonly service: string;
  /** Of each of its nodes. */
  readonly capacity: number;
  /** Members and scores by turns, as ZRANGE gives them. */
  readonly flat: readonly string[];
}

/** Says what is wrong with the scores of a service for which nothing runs; undefined if they are as they should be. */
export function wrongScoreOf(
  { service, capacity, flat }: Membership,
  nodeIds: readonly string[],
): string | undefined {
  const found = new Map<string, number>();
  for (let i = 0; i < flat.length; i += 2)
    found.set(flat[i]!.split('.')[0]!, Math.floor(Number(flat[i + 1])));
  const isRight =
    flat.length === 2 * nodeIds.length && nodeIds.every((id) => found.get(id) === capacity);
  return isRight ? undefined : `${service}: ${flat.join(' ')}, alive: ${nodeIds.join(' ')}`;
}

/** Those of some callers that have had no answer since their last report, or cannot say. */
export function unansweredOf<C>(
  callers: readonly C[],
  reports: readonly (Pick<Report, 'outcomes'> | undefined)[],
): C[] {
  return callers.filter((_, index) => !reports[index]?.outcomes.ok);
}

/** A time on the clock of the histories. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** A machine that has too much to do lets some calls wait for too long, at one end or the other. */
const TOO_LATE = ['CLOUDS_TIMEOUT', 'CLOUDS_EXPIRED'] as const;
const MOST_TIMED_OUT = 0.2;
/** Of one kind, of which there may be few. Where nothing of it works, that is no matter of time. */
const MOST_OF_A_KIND = 0.5;

/**
 * Says which ends of the calls that were sent in a calm time show that not all is well again. Services with a capacity
 * may refuse some.
 */
export function unrecoveredIn(
  { from, to }: Span,
  history: readonly HistoryEvent[],
  limited: ReadonlySet<string>,
): string[] {
  const keys = new Map<Sent['kind'], Set<string>>();
  for (const event of history)
    if (event.what === 'sent' && event.at >= from && event.at <= to)
      keys.set(event.kind, (keys.get(event.kind) ?? new Set()).add(event.key));
  if (keys.size === 0) return ['not recovered: nobody calls'];
  const all = new Set([...keys.values()].flatMap((theirs) => [...theirs]));
  return [
    ...unrecoveredOf('all', all, MOST_TIMED_OUT, history, limited),
    ...[...keys].flatMap(([kind, theirs]) =>
      unrecoveredOf(kind, theirs, MOST_OF_A_KIND, history, limited),
    ),
  ];
}

function unrecoveredOf(
  kind: Sent['kind'] | 'all',
  keys: ReadonlySet<string>,
  mostLate: number,
  history: readonly HistoryEvent[],
  limited: ReadonlySet<string>,
): string[] {
  const theirs = history.filter((event) => 'key' in event && keys.has(event.key));
  const ends = failedCalls(theirs, limited);
  const late = TOO_LATE.reduce((calls, end) => calls + (ends[end] ?? 0), 0);
  if (late <= mostLate * keys.size) for (const end of TOO_LATE) delete ends[end];
  return Object.entries(ends).map(
    ([outcome, count]) => `not recovered: ${count} ${outcome} of ${keys.size} calls (${kind})`,
  );
}
