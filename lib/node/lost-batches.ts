import type { Batch } from './batch.js';

/**
 * Batches of which Redis has lost what it knew, but whose nodes may be at work on them: their calls are given up only
 * after some time. They need no slot of the fence any more, so that others can be sent meanwhile.
 */
export class LostBatches {
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(
    private readonly patienceMs: number,
    private readonly giveUp: (batch: Batch) => void,
  ) {}

  add(batch: Batch): void {
    const leftMs = batch.sentAt + this.patienceMs - performance.now();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.giveUp(batch);
    }, leftMs);
    this.#timers.add(timer);
  }

  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
