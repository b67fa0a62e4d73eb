import { SECOND } from '../common/durations.js';

/** Messages longer than this are counted, and acknowledged by whoever reads them. */
export const COUNTED_BYTES = 64 * 1024;
/** What may be on its way to one receiver. Redis drops a subscriber that has 32 MiB waiting. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** A receiver that acknowledges nothing for so long is gone, or does not know how. */
const PATIENCE_MS = 2 * SECOND;

interface Lane {
  outstanding: number;
  /** Runs while somebody waits for room. */
  timer: NodeJS.Timeout | undefined;
}

/**
 * Keeps what is on its way to one receiver within bounds. A PUBLISH that was answered says that Redis has
 * the message, not that the receiver has read it: many large ones at once would make Redis drop it.
 */
export class FlowControl {
  readonly #lanes = new Map<string, Lane>();
  readonly #onRoom: (to: string) => void;

  /** `onRoom` is called when there may be room again for a receiver that had none. */
  constructor(onRoom: (to: string) => void) {
    this.#onRoom = onRoom;
  }

  /** Whether a message of this length may be sent now; if so, it counts as sent. */
  take(to: string, length: number): boolean {
    if (length <= COUNTED_BYTES) return true;
    const lane = this.#laneOf(to);
    if (lane.outstanding > 0 && lane.outstanding + length > WINDOW_BYTES) {
      lane.timer ??= setTimeout(() => this.#open(to), PATIENCE_MS);
      return false;
    }
    lane.outstanding += length;
    return true;
  }

  /** The receiver has read messages of this length in all. */
  onReceived(from: string, length: number): void {
    const lane = this.#lanes.get(from);
    if (lane === undefined) return;
    lane.outstanding -= length;
    const hasWaiters = lane.timer !== undefined;
    clearTimeout(lane.timer);
    lane.timer = undefined;
    if (lane.outstanding <= 0) this.#lanes.delete(from);
    if (hasWaiters) this.#onRoom(from);
  }

  /** Forgets everything: the connection is gone, and with it all that was on its way. */
  clear(): void {
    for (const { timer } of this.#lanes.values()) clearTimeout(timer);
    this.#lanes.clear();
  }

  #laneOf(to: string): Lane {
    const known = this.#lanes.get(to);
    if (known) return known;
    const lane: Lane = { outstanding: 0, timer: undefined };
    this.#lanes.set(to, lane);
    return lane;
  }

  #open(to: string): void {
    this.#lanes.delete(to);
    this.#onRoom(to);
  }
}
