import { percentiles } from '../stats.js';
import { type LoadResult } from './messages.js';

const FIRST_SIZE = 1 << 16;

/** Notes the latencies of one load, and what it cost this process. */
export class Recorder {
  /** Grown by doubling: an array of numbers would be work for the garbage collector, which is measured too. */
  #latencies = new Float64Array(FIRST_SIZE);
  #kept = 0;
  readonly #cpu = process.cpuUsage();
  readonly #began = performance.now();
  done = 0;
  failed = 0;
  unanswered = 0;

  constructor(private readonly keepsLatencies = true) {}

  add(ms: number): void {
    this.done++;
    if (!this.keepsLatencies) return;
    if (this.#kept === this.#latencies.length) this.#grow();
    this.#latencies[this.#kept++] = ms;
  }

  /** `done`: what was done, if that is not the number of calls. */
  result(done = this.done): LoadResult {
    // Before the latencies are sorted, which is no part of the load.
    const seconds = (performance.now() - this.#began) / 1000;
    const { user, system } = process.cpuUsage(this.#cpu);
    const { failed, unanswered } = this;
    const sorted = this.#latencies.subarray(0, this.#kept).sort();
    return {
      done,
      failed,
      unanswered,
      seconds,
      cpuUs: user + system,
      percentiles: percentiles(sorted),
    };
  }

  #grow(): void {
    const larger = new Float64Array(2 * this.#latencies.length);
    larger.set(this.#latencies);
    this.#latencies = larger;
  }
}
