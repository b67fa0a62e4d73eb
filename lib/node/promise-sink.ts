import type { ReplySink } from './call.js';

/** Settles a promise: with the last value, or undefined if there was none. */
export class PromiseSink implements ReplySink {
  #last: unknown;

  constructor(
    private readonly resolve: (value: unknown) => void,
    private readonly reject: (error: unknown) => void,
  ) {}

  value(value: unknown, isLast: boolean): void {
    if (isLast) this.resolve(value);
    else this.#last = value;
  }

  end(): void {
    this.resolve(this.#last);
  }

  error(error: unknown): void {
    this.reject(error);
  }
}
