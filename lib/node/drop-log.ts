import { MINUTE } from '../common/durations.js';
import type { DropReason } from '../protocol/frames.js';

/**
 * Counts what is dropped, and tells of each kind at most once a minute: a flood must not flood the log. What
 * was in it is told nobody: it may be somebody's data.
 */
export class DropLog {
  readonly #counts = new Map<DropReason, number>();
  readonly #toldAt = new Map<DropReason, number>();

  constructor(private readonly tell: (text: string) => void) {}

  /** `from`: the incarnation that sent it, if it says so. */
  add(reason: DropReason, bytes: number, from = 'somebody who does not say'): void {
    const count = (this.#counts.get(reason) ?? 0) + 1;
    this.#counts.set(reason, count);
    const now = performance.now();
    if (now - (this.#toldAt.get(reason) ?? -Infinity) < MINUTE) return;
    this.#toldAt.set(reason, now);
    this.tell(
      `dropped a message of ${bytes} bytes from ${from} that is ${reason} (${count} so far)`,
    );
  }

  counts(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
