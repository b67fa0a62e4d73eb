/** Counts the one-way calls that are on their way, for whoever waits until there is none. */
export class OneWays {
  #count = 0;
  readonly #listeners = new Set<() => void>();

  add(): void {
    this.#count++;
  }

  settle(): void {
    if (--this.#count > 0) return;
    for (const resolve of this.#listeners) resolve();
    this.#listeners.clear();
  }

  /** Resolves when there is none. */
  async settled(): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => this.#listeners.add(resolve));
  }
}
