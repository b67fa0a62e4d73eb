import { seededRandom } from '../support/wait.js';

/** Chance that repeats for a seed. Who must not be disturbed by how often others roll has dice of its own. */
export class Dice {
  readonly #random: () => number;

  constructor(...seeds: readonly number[]) {
    this.#random = seededRandom(seeds.reduce((seed, next) => Math.imul(seed, 31) + next, 7));
  }

  /** One of these. */
  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)]!;
  }

  /** A whole number from `from` to `to`. */
  between(from: number, to: number): number {
    return from + Math.floor((to - from + 1) * this.#random());
  }

  /** Dice for something that rolls nobody knows how often. */
  another(): Dice {
    return new Dice(this.between(1, 2 ** 31));
  }

  /** Whether something happens that does in `share` of all cases. */
  chance(share: number): boolean {
    return this.#random() < share;
  }
}
