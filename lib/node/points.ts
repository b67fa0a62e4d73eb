/** The arithmetic of points; its only other place is lib/scripts/include/points.lua. */

/** What a node counts about the points of one service, since its incarnation began. */
export interface PointCount {
  readonly service: string;
  /** Whether the node has a capacity: its member then bears a mark. */
  readonly isLimited: boolean;
  /** The free capacity of the node when it runs nothing. */
  readonly base: number;
  /** Points taken: what ran when the incarnation began, and every request that arrived since. */
  taken: number;
  /** Points given back by commands that were sent to Redis. */
  returned: number;
  /** Requests that the handler has and has not settled. */
  running: number;
  /** Requests settled since the node began. */
  handled: number;
}

export function freePoints({
  base,
  taken,
  returned,
}: Pick<PointCount, 'base' | 'taken' | 'returned'>): number {
  return base - (taken - returned);
}

/**
 * How much a score is off. `score` was read between the dispatches that have arrived by now and those
 * that have not, and after the commands that had returned `returnedWhenRead` points.
 */
export function scoreError(count: PointCount, returnedWhenRead: number, score: number): number {
  return freePoints({ base: count.base, taken: count.taken, returned: returnedWhenRead }) - score;
}
