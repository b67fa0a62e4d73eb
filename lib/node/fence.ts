import { MINUTE } from '../common/durations.js';

/** Batches that may be out without an answer. The script keeps as many answers, so none is forgotten. */
export const FENCE_SLOTS = 256;
/** Of a fence of which Redis has said nothing so far: no batch runs in it. */
export const NO_EPOCH = '';

const TTL_MS = 10 * MINUTE;
const RENEWAL_MS = 1 * MINUTE;

/** What a caller knows of its fence in Redis: the epoch that lets a batch run in it, and how long it lives. */
export class Fence {
  #renewedAt = -Infinity;

  constructor(private current: string = NO_EPOCH) {}

  get epoch(): string {
    return this.current;
  }

  /** Redis has another one, or the first. */
  enter(epoch: string): void {
    this.current = epoch;
  }

  /** It was left alone for so long that Redis may have let it go. */
  mayHaveExpired(now: number): boolean {
    return now - this.#renewedAt >= TTL_MS - RENEWAL_MS;
  }

  /** For how many ms it is to live on from now, or 0 to leave it as it is. */
  renewalMs(now: number): number {
    if (now - this.#renewedAt < RENEWAL_MS) return 0;
    this.#renewedAt = now;
    return TTL_MS;
  }

  /** Redis may have lost it. */
  doubt(): void {
    this.#renewedAt = -Infinity;
  }

  /** It was given up. */
  leave(): void {
    this.current = NO_EPOCH;
    this.doubt();
  }
}
