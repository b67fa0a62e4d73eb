import { isLarge } from './batch.js';
import type { Call } from './call.js';

/** Calls that wait while Redis is away may not take more memory, in UTF-16 units or bytes. */
export const MAX_WAITING_LENGTH = 256 * 1024 * 1024;
/** Id, time left and attempt of a frame take less. */
const FRAME_OVERHEAD = 100;

/** The calls of one service that have not been sent, oldest first. */
export class WaitingCalls {
  readonly #calls = new Set<Call>();
  #length = 0;

  get size(): number {
    return this.#calls.size;
  }

  /** Of all bodies together, in UTF-16 units or bytes. */
  get length(): number {
    return this.#length;
  }

  all(): Call[] {
    return [...this.#calls];
  }

  has(call: Call): boolean {
    return this.#calls.has(call);
  }

  add(call: Call): void {
    // One that begins its attempt again may not have left yet.
    if (this.#calls.has(call)) return;
    this.#calls.add(call);
    this.#length += call.body.length;
  }

  remove(call: Call): void {
    if (this.#calls.delete(call)) this.#length -= call.body.length;
  }

  /**
   * Takes as many out as may travel in one batch; large ones do not travel with it. Those whose time is over do not
   * travel: this process stood still meanwhile, and their timers are about to say so.
   */
  take(maxFrames: number, maxLength: number, now: number): Call[] {
    const taken: Call[] = [];
    let length = 0;
    for (const call of this.#calls) {
      if (!isLarge(call)) length += call.body.length + FRAME_OVERHEAD;
      if (taken.length === maxFrames || (length > maxLength && taken.length > 0)) break;
      this.remove(call);
      if (!call.isSettled && !call.isOver(now)) taken.push(call);
    }
    return taken;
  }
}
