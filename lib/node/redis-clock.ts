const SAMPLES = 8;

/**
 * Tells how old a message is that carries Redis's time, whatever the clocks of the two machines say.
 * Redis stamps a probe after it was sent, so the difference of the clocks is at least that between its
 * sending and its stamp, and the largest of the last few comes closest. When a probe *arrives* says less:
 * a process that is busy, or was frozen, reads it late, and would think all messages younger than they are.
 */
export class RedisClock {
  readonly #differences: number[] = [];

  /** A message that was sent at `sentAt`, by `performance.now()`, was stamped by Redis. */
  observe(sentAt: number, redisMs: number): void {
    this.#differences.push(sentAt - redisMs);
    if (this.#differences.length > SAMPLES) this.#differences.shift();
  }

  /** The next connection may be to another server, with another clock. */
  reset(): void {
    this.#differences.length = 0;
  }

  /** When Redis stamped a message, by `performance.now()`, at the earliest; now, while that is not known. */
  stampedAt(redisMs: number): number {
    const now = performance.now();
    if (this.#differences.length === 0) return now;
    return Math.min(now, redisMs + Math.max(...this.#differences));
  }
}
