import { isAsyncIterable, pacedBy, sendValues } from '../node/handlers.js';
import type { IncomingRequest } from '../node/incoming-request.js';
import { MAX_UNMADE } from '../node/outgoing-stream.js';

/** What becomes of it. */
export interface TailPorts {
  /** An iterable has thrown; nothing follows. */
  onError(error: unknown): void;
}

/**
 * What an Observable emits from its first async iterable on. The values of an iterable are sent in its place, as the caller has
 * room for them, and what comes after it waits.
 */
export class StreamTail {
  readonly #waiting: unknown[] = [];
  readonly #leaving = new AbortController();
  #sending: Promise<void> | undefined;
  #onSent: (() => void) | undefined;

  constructor(
    private readonly request: IncomingRequest,
    private readonly ports: TailPorts,
  ) {}

  /** Returns false if more waits than may. */
  add(value: unknown): boolean {
    this.#waiting.push(value);
    this.#sending ??= this.#send();
    return this.#waiting.length <= MAX_UNMADE;
  }

  /** Nothing will be added. `end` is called when all has been sent, unless an iterable throws. */
  finish(end: () => void): void {
    if (this.#sending === undefined) end();
    else this.#onSent = end;
  }

  /** Sends nothing more. Resolves when the iterable has cleaned up. */
  async leave(): Promise<void> {
    this.#waiting.length = 0;
    this.#leaving.abort();
    await this.#sending;
  }

  /** Never rejects. */
  async #send(): Promise<void> {
    try {
      while (this.#waiting.length > 0) await this.#sendOne(this.#waiting.shift());
    } catch (error) {
      if (!this.#leaving.signal.aborted) this.ports.onError(error);
      return;
    }
    this.#sending = undefined;
    this.#onSent?.();
  }

  async #sendOne(value: unknown): Promise<void> {
    if (!isAsyncIterable(value)) return this.request.value(value);
    const send = (one: unknown) => this.request.value(one);
    await sendValues(pacedBy(this.request, this.#leaving.signal, send), value);
  }
}
