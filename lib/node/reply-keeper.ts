import { SECOND } from '../common/durations.js';

const RECENT_REPLIES = 4096;
const RECENT_LENGTH = 8 * 1024 * 1024;
const UNCLAIMED_REPLIES = 10_000;
const UNCLAIMED_LENGTH = 16 * 1024 * 1024;
const UNCLAIMED_MS = 10 * SECOND;

interface Unclaimed {
  readonly frame: string;
  readonly keptAt: number;
}

/**
 * Keeps replies for callers that lost theirs with a connection and ask again: the last ones that were
 * sent, and for some seconds those that nobody received. Both are bounded.
 */
export class ReplyKeeper {
  readonly #recentIds = new Array<string>(RECENT_REPLIES).fill('');
  readonly #recentFrames = new Array<string>(RECENT_REPLIES).fill('');
  #next = 0;
  #oldest = 0;
  #recentLength = 0;
  readonly #unclaimed = new Map<string, Unclaimed>();
  #unclaimedLength = 0;

  /** A reply that is being sent. A ring of two arrays: this is on the path of every call. */
  keepRecent(id: string, frame: string): void {
    if (frame.length > RECENT_LENGTH) return;
    this.#recentLength += frame.length - this.#recentFrames[this.#next]!.length;
    this.#recentIds[this.#next] = id;
    this.#recentFrames[this.#next] = frame;
    this.#next = (this.#next + 1) % RECENT_REPLIES;
    if (this.#next === this.#oldest) this.#oldest = (this.#oldest + 1) % RECENT_REPLIES;
    while (this.#recentLength > RECENT_LENGTH) this.#forgetOldest();
  }

  /** A reply that reached nobody. */
  keepUnclaimed(id: string, frame: string): void {
    this.#forget(id);
    this.#unclaimed.set(id, { frame, keptAt: performance.now() });
    this.#unclaimedLength += frame.length;
    for (const oldest of this.#unclaimed.keys()) {
      if (this.#unclaimed.size <= UNCLAIMED_REPLIES && this.#unclaimedLength <= UNCLAIMED_LENGTH)
        break;
      this.#forget(oldest);
    }
  }

  find(id: string): string | undefined {
    const unclaimed = this.#unclaimed.get(id);
    if (unclaimed) return unclaimed.frame;
    const index = this.#recentIds.indexOf(id);
    return index === -1 ? undefined : this.#recentFrames[index];
  }

  /** Forgets what was kept long enough; called with every heartbeat. */
  expire(): void {
    const limit = performance.now() - UNCLAIMED_MS;
    for (const [id, { keptAt }] of this.#unclaimed) {
      if (keptAt > limit) break;
      this.#forget(id);
    }
  }

  #forgetOldest(): void {
    this.#recentLength -= this.#recentFrames[this.#oldest]!.length;
    this.#recentIds[this.#oldest] = this.#recentFrames[this.#oldest] = '';
    this.#oldest = (this.#oldest + 1) % RECENT_REPLIES;
  }

  #forget(id: string): void {
    const kept = this.#unclaimed.get(id);
    if (kept === undefined) return;
    this.#unclaimed.delete(id);
    this.#unclaimedLength -= kept.frame.length;
  }
}
