const SAMPLES = 8;

/**
 * Tells how old a message is that carries Redis's time, whatever the clocks of the two machines say.
 * A probe's delay can only make the difference of the clocks look larger, so the least of the last few
 * is the best; a process that was frozen does not take its own sleep for the difference.
 */
export class RedisClock {
  readonly #differences: number[] = [];

  /** A message that Redis stamped has just arrived. */
  observe(redisMs: number): void {
    this.#differences.push(performance.now() - redisMs);
    if (this.#differences.length > SAMPLES) this.#differences.shift();
  }

  /** The next connection may be to another server, with another clock. */
  reset(): void {
    this.#differences.length = 0;
  }

  /** How long ago Redis stamped a message, in ms; 0 while that is not known. */
  ageMs(redisMs: number): number {
    if (this.#differences.length === 0) return 0;
    return Math.max(0, performance.now() - redisMs - Math.min(...this.#differences));
  }
}
