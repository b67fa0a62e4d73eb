/** Does one request after the other, as a handler that needs a processor: without using ours. */
export class WorkQueue {
  readonly #waiting = new Map<NodeJS.Timeout, () => void>();
  #freeAt = 0;

  constructor(private readonly workMs: number) {}

  /** Resolves when the work is done. Reckoned from the end of the work before: late timers must not add up. */
  add(): Promise<void> {
    const now = performance.now();
    this.#freeAt = Math.max(now, this.#freeAt) + this.workMs;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(timer);
        resolve();
      }, this.#freeAt - now);
      this.#waiting.set(timer, resolve);
    });
  }

  /** Calls all that waits done. */
  clear(): void {
    for (const [timer, resolve] of this.#waiting) {
      clearTimeout(timer);
      resolve();
    }
    this.#waiting.clear();
    this.#freeAt = 0;
  }
}
