import type { CloudsError } from '../common/errors.js';
import type { Call, CallPath } from './call.js';
import { nodeLost } from './call-failures.js';
import type { CallTable } from './call-table.js';
import type { WatchListener } from './ports.js';

/** What can become of a call whose node has changed. */
export interface CallCourse {
  move(call: Call, reason: CloudsError): void;
  moveOrFail(call: Call, error: CloudsError): void;
  /** Asks this incarnation about the call. */
  ask(call: Call, incarnation: string): void;
}

/** What the watch sees of nodes, and what that means for the calls that they have. */
export class PlacedCalls implements WatchListener {
  constructor(
    private readonly table: CallTable,
    private readonly course: CallCourse,
  ) {}

  get inFlight(): number {
    return this.table.size;
  }

  onPathOpened(path: CallPath): void {
    for (const call of this.table.placed(path)) this.course.ask(call, call.place!);
  }

  onNodeLost(path: CallPath, incarnation: string): void {
    for (const call of this.table.placed(path, incarnation))
      this.course.moveOrFail(call, nodeLost(call, incarnation));
  }

  onNodeFrozen(path: CallPath, incarnation: string): void {
    const now = performance.now();
    for (const call of this.table.placed(path, incarnation))
      if (call.mayMove(now)) this.course.move(call, nodeLost(call, incarnation));
  }

  onNodeBack(path: CallPath, incarnation: string, successor: string): void {
    for (const call of this.table.placed(path, incarnation)) {
      call.place = successor;
      this.course.ask(call, successor);
    }
  }

  waitedFor(path: CallPath, placedBefore: number): Map<string, number> {
    const incarnations = new Map<string, number>();
    for (const { place, placedAt } of this.table.placed(path)) {
      if (placedAt > placedBefore) continue;
      incarnations.set(place!, Math.max(placedAt, incarnations.get(place!) ?? 0));
    }
    return incarnations;
  }
}
