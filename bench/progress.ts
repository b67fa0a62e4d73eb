/** Says on standard error what is going on: one line that changes, or on a pipe one line per table. */
export class Progress {
  readonly #began = performance.now();
  readonly #isLive = process.stderr.isTTY;
  #title = '';

  start(title: string): void {
    this.#title = title;
    if (this.#isLive) this.#show(title);
    else console.error(`${this.#clock()} ${title}`);
  }

  step(what: string): void {
    if (this.#isLive) this.#show(`${this.#title}: ${what}`);
  }

  /** Leaves the line to the report. */
  clear(): void {
    if (this.#isLive) process.stderr.write('\r\x1b[K');
  }

  warn(line: string): void {
    this.clear();
    console.error(line);
  }

  #show(text: string): void {
    const width = (process.stderr.columns ?? 80) - 1;
    process.stderr.write(`\r\x1b[K${`${this.#clock()} ${text}`.slice(0, width)}`);
  }

  #clock(): string {
    const seconds = Math.floor((performance.now() - this.#began) / 1000);
    const rest = String(seconds % 60).padStart(2, '0');
    return `[${Math.floor(seconds / 60)}:${rest}]`;
  }
}
