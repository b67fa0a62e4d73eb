import type { ReplySink } from './call.js';

/** A call whose values are taken one by one. */
export interface OpenedStream {
  /** The consumer has taken one value. */
  consumed(): void;
  cancel(): void;
}

/** Makes the call, with this sink. Returns undefined, or throws, if that fails at once. */
export type OpenStream = (sink: ReplySink) => OpenedStream | undefined;

/** What becomes of values and errors before they are handed out. */
export interface Conversions {
  response(value: unknown): unknown;
  error(error: unknown): unknown;
}

/** A `next` that waits for its value. */
interface Waiter<T> {
  resolve(result: IteratorResult<T>): void;
  reject(error: unknown): void;
}

const DONE: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined });

/**
 * The values of a stream, for `for await`. States: idle, open (with the first `next`), ended (no more values will
 * come, those that have may still be taken). An error comes after the values before it, once.
 */
export class ValueStream<T> implements AsyncIterableIterator<T>, ReplySink {
  readonly isPulled = true;
  #arrived: T[] = [];
  /** Those before it have been taken. */
  #next = 0;
  #waiters: Waiter<T>[] = [];
  #isOpen = false;
  #isEnded = false;
  #failure: { error: unknown } | undefined;
  #call: OpenedStream | undefined;

  constructor(
    private readonly open: OpenStream,
    private readonly conversions?: Conversions,
  ) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    if (!this.#isOpen && !this.#isEnded) this.#open();
    if (this.#next < this.#arrived.length) return Promise.resolve(this.#take());
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) return Promise.reject(failure.error);
    if (this.#isEnded) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Cancels the call. */
  return(): Promise<IteratorResult<T>> {
    this.#arrived = [];
    this.#next = 0;
    this.#failure = undefined;
    this.#call?.cancel();
    this.#end();
    return Promise.resolve(DONE);
  }

  // --- what the call tells ---

  /** @internal */
  value(value: unknown, isLast: boolean): void {
    if (this.#isEnded) return;
    this.#arrived.push((this.conversions ? this.conversions.response(value) : value) as T);
    const waiter = this.#waiters.shift();
    if (waiter) waiter.resolve(this.#take());
    if (isLast) this.#end();
  }

  /** @internal */
  end(): void {
    this.#end();
  }

  /** @internal */
  error(error: unknown): void {
    if (this.#isEnded) return;
    const converted = this.conversions ? this.conversions.error(error) : error;
    const waiter = this.#waiters.shift();
    if (waiter) waiter.reject(converted);
    else this.#failure = { error: converted };
    this.#end();
  }

  #open(): void {
    this.#isOpen = true;
    try {
      this.#call = this.open(this);
    } catch (error) {
      this.error(error);
    }
  }

  #take(): IteratorYieldResult<T> {
    const value = this.#arrived[this.#next++]!;
    if (this.#next === this.#arrived.length) {
      this.#arrived = [];
      this.#next = 0;
    }
    this.#call?.consumed();
    return { done: false, value };
  }

  #end(): void {
    this.#isEnded = true;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.resolve(DONE);
  }
}
