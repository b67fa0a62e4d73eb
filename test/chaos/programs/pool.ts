import { setTimeout as delay } from 'node:timers/promises';

/** So many connections to a database, say: who finds them all in use waits for one, in order. */
export class Pool {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(size: number) {
    this.#free = size;
  }

  /** Rejects with the reason of the signal when that fires before a connection is free. */
  async use(ms: number, signal: AbortSignal): Promise<void> {
    await this.#take(signal);
    await delay(ms);
    this.#giveBack();
  }

  #take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.delete(onTurn);
        reject(signal.reason as Error);
      };
      const onTurn = () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(onTurn);
    });
  }

  #giveBack(): void {
    const [onTurn] = this.#waiting;
    if (onTurn === undefined) {
      this.#free++;
      return;
    }
    this.#waiting.delete(onTurn);
    onTurn();
  }
}
