import { isPromiseLike } from '../node/handlers.js';

/** What becomes of one thing that is made. */
export interface Outcome {
  use(made: unknown): void;
  fail(error: unknown): void;
}

/** Makes things one after the other, and at once as long as none of them takes its time: their order stays. */
export class InTurn {
  #last: Promise<void> | undefined;

  make(make: () => unknown, outcome: Outcome): void {
    if (this.#last) return this.#follow(this.#last.then(make), outcome);
    let made: unknown;
    try {
      made = make();
    } catch (error) {
      return outcome.fail(error);
    }
    if (isPromiseLike(made)) this.#follow(made, outcome);
    else outcome.use(made);
  }

  #follow(made: PromiseLike<unknown>, outcome: Outcome): void {
    const last = Promise.resolve(made)
      .then(
        (value) => outcome.use(value),
        (error: unknown) => outcome.fail(error),
      )
      .finally(() => {
        if (this.#last === last) this.#last = undefined;
      });
    this.#last = last;
  }
}
