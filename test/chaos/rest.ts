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
