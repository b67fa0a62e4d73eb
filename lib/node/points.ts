/** The arithmetic of points; its only other place is lib/scripts/include/points.lua. */

/** What a node counts about the points of one service, since its incarnation began. */
export interface PointCount {
  readonly service: string;
  /** What its handlers call it. */
  readonly name: string;
  /** Whether the node has a capacity: its member then bears a mark. */
  readonly isLimited: boolean;
  /** The free capacity of the node when it runs nothing. */
  readonly base: number;
  /** Points taken: what ran when the incarnation began, and every request that arrived since. */
  taken: number;
  /** Points given back by commands that were sent to Redis. */
  returned: number;
  /** Points to give back with the next commands. */
  owed: number;
  /** The sum of what was sent to mend the score. */
  corrected: number;
  /** Requests that said that others wait for room, since it was last known that nobody does. */
  waitMarks: number;
  /** Requests that the handler has and has not settled. */
  running: number;
}

export function freePoints({
  base,
  taken,
  returned,
}: Pick<PointCount, 'base' | 'taken' | 'returned'>): number {
  return base - (taken - returned);
}

/** What was so when a beat was sent: all later commands, and all corrections, come after its reading. */
export interface PointSnapshot {
  readonly returned: number;
  readonly corrected: number;
}

export function snapshotOf({ returned, corrected }: PointCount): PointSnapshot {
  return { returned, corrected };
}

/**
 * How much a score is still off. `score` was read between the dispatches that have arrived by now and
 * those that have not, after the commands that `then` counts, and before corrections made since.
 */
export function scoreError(count: PointCount, then: PointSnapshot, score: number): number {
  const { base, taken } = count;
  const correctedSince = count.corrected - then.corrected;
  return freePoints({ base, taken, returned: then.returned }) - score - correctedSince;
}
