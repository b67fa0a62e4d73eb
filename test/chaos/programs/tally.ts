import { CloudsErrorCode } from '../../../lib/index.js';
import { clockMs } from '../history.js';

/** What became of the calls of one process since this was last asked. */
export interface Counts {
  /** The time that the counts are of. */
  readonly spanMs: number;
  readonly made: number;
  /** Calls that were due, but not made: as many as may were out. */
  readonly skipped: number;
  /** How many were out at the same time, at most. */
  readonly mostOut: number;
  readonly outcomes: Readonly<Record<string, number>>;
  /** Calls that failed because as many as may (`service.maxWaiting`) waited for Redis. */
  readonly turnedAway: number;
  /** The longest wait for an end, in ms. */
  readonly longestMs: number;
}

/** Counts calls. */
export class Tally {
  #since = clockMs();
  #made = 0;
  #skipped = 0;
  #mostOut = 0;
  #outcomes: Record<string, number> = {};
  #turnedAway = 0;
  #longestMs = 0;

  made(out: number): void {
    this.#made++;
    this.#mostOut = Math.max(this.#mostOut, out);
  }

  skipped(): void {
    this.#skipped++;
  }

  failed(error: unknown): void {
    const { code, message } = error as { code?: string; message: string };
    // Its code is that of calls which waited in vain, too.
    if (code === CloudsErrorCode.DISCONNECTED && message.includes('"service.maxWaiting"'))
      this.#turnedAway++;
  }

  ended(outcome: string, ms: number): void {
    this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1;
    this.#longestMs = Math.max(this.#longestMs, ms);
  }

  /** The counts since this was last asked, which begin anew; of `out` calls the end is not known yet. */
  take(out: number): Counts {
    const now = clockMs();
    const counts: Counts = {
      spanMs: now - this.#since,
      made: this.#made,
      skipped: this.#skipped,
      mostOut: this.#mostOut,
      outcomes: this.#outcomes,
      turnedAway: this.#turnedAway,
      longestMs: this.#longestMs,
    };
    this.#since = now;
    this.#mostOut = out;
    this.#outcomes = {};
    this.#made = this.#skipped = this.#turnedAway = this.#longestMs = 0;
    return counts;
  }
}
