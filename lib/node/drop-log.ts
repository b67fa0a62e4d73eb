import { MINUTE } from '../common/durations.js';
import type { CloudsError } from '../common/errors.js';
import type { DropReason } from '../protocol/frames.js';

/**
 * Counts what is dropped, and tells of each kind at most once a minute: a flood must not flood the log. What
 * was in it is told nobody: it may be somebody's data.
 */
export class DropLog {
  readonly #counts = new Map<string, number>();
  readonly #toldAt = new Map<string, number>();

  constructor(private readonly tell: (text: string) => void) {}

  /** `from`: the incarnation that sent it, if it says so. */
  add(reason: DropReason, bytes: number, from = 'somebody who does not say'): void {
    this.#add(reason, () => `dropped a message of ${bytes} bytes from ${from} that is ${reason}`);
  }

  /** An event that was not run. Events are counted by the code of the reason. */
  addEvent({ code, message }: CloudsError, from: string): void {
    this.#add(code, () => `dropped an event from ${from}, ${code}: ${message}`);
  }

  /** A request that was refused, as the node has as many as it may: its caller is told, but who runs the node is not. */
  addRefusal({ code, message }: CloudsError): void {
    this.#tellAtTimes('refusal', () => `refused a request, ${code}: ${message}`);
  }

  #add(kind: string, describe: () => string): void {
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    this.#tellAtTimes(kind, () => `${describe()} (${count} so far)`);
  }

  #tellAtTimes(kind: string, describe: () => string): void {
    const now = performance.now();
    if (now - (this.#toldAt.get(kind) ?? -Infinity) < MINUTE) return;
    this.#toldAt.set(kind, now);
    this.tell(describe());
  }

  counts(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
