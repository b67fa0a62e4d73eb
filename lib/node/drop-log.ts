import { MINUTE } from '../common/durations.js';
import { quoted } from '../common/messages.js';
import type { DropReason } from '../protocol/frames.js';

/** Counts what is dropped, and tells of each kind at most once a minute: a flood must not flood the log. */
export class DropLog {
  readonly #counts = new Map<DropReason, number>();
  readonly #toldAt = new Map<DropReason, number>();

  constructor(private readonly tell: (text: string) => void) {}

  add(reason: DropReason, text: string): void {
    const count = (this.#counts.get(reason) ?? 0) + 1;
    this.#counts.set(reason, count);
    const now = performance.now();
    if (now - (this.#toldAt.get(reason) ?? -Infinity) < MINUTE) return;
    this.#toldAt.set(reason, now);
    this.tell(
      `dropped a message that is ${reason} (${count} so far): ${quoted(text.slice(0, 200))}`,
    );
  }

  counts(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
