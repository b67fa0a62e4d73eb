import type { Sweeper } from './sweeper.js';

/** Cleans when it is asked to, and after a timeout, but not after every one. */
export class Cleaner {
  #nextAt = -Infinity;

  constructor(
    private readonly sweeperOf: (service: string) => Sweeper,
    private readonly sweepers: () => readonly Sweeper[],
    private readonly intervalMs: number,
  ) {}

  /** A call timed out: its node may be gone. */
  cleanSoon(service: string): void {
    const now = performance.now();
    if (now < this.#nextAt) return;
    this.#nextAt = now + this.intervalMs;
    // The next timeout cleans again: that this one could not is no news for anybody.
    this.sweeperOf(service)
      .clean(service)
      .catch(() => undefined);
  }

  async cleanAll(): Promise<number> {
    let removed = 0;
    for (const sweeper of this.sweepers()) {
      for (const service of await sweeper.services()) removed += await sweeper.clean(service);
    }
    return removed;
  }
}
