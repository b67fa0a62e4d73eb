import type { Batch } from './batch.js';

const AGAIN_MS = 100;

/**
 * Batches whose answer Redis was asked for and did not give, as when its memory is full: nodes may be at work on them,
 * and replies come all the same. It is asked again as long as somebody waits. They hold no slot of the fence meanwhile.
 */
export class RefusedQuestions {
  #batches = new Set<Batch>();
  #timer: NodeJS.Timeout | undefined;

  /** `ask` says whether it could be asked now. */
  constructor(private readonly ask: (batch: Batch) => boolean) {}

  add(batch: Batch): void {
    this.#batches.add(batch);
    this.#timer ??= setTimeout(() => this.#askAll(), AGAIN_MS);
  }

  /** Replies may have been lost with the connection. */
  cutOff(): void {
    for (const batch of this.#batches) batch.isResent = true;
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#batches.clear();
  }

  #askAll(): void {
    const batches = this.#batches;
    this.#batches = new Set();
    this.#timer = undefined;
    for (const batch of batches) if (batch.isOpen && !this.ask(batch)) this.add(batch);
  }
}
