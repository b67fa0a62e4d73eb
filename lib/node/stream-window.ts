const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;

/** So many values of a stream may be under way: sent, and not consumed by the caller as far as its node knows. */
export const WINDOW = 1024;
/** And about so many bytes of them, or one value that is longer. */
export const WINDOW_BYTES = 4 * MEBIBYTE;
/** After so many values, or bytes of them, a caller tells the node what it has consumed. */
export const REPORT_AFTER = WINDOW / 2;
export const REPORT_AFTER_BYTES = WINDOW_BYTES / 2;

/** The sizes of values that are shorter are not told apart. */
const STEP = 16 * KIBIBYTE;

/** So many values are so long in all. */
interface Mark {
  readonly count: number;
  readonly bytes: number;
}

/** Knows how long the first values of a stream are in all, for a number of them that only rises. */
export class SizeLog {
  #count = 0;
  #bytes = 0;
  #marks: Mark[] = [];
  #lastMark = 0;
  #passed = 0;

  /** Of all values. */
  get bytes(): number {
    return this.#bytes;
  }

  add(length: number): void {
    this.#count++;
    this.#bytes += length;
    if (this.#bytes - this.#lastMark < STEP) return;
    this.#lastMark = this.#bytes;
    this.#marks.push({ count: this.#count, bytes: this.#bytes });
  }

  /** At most `STEP` less than it is. */
  upTo(count: number): number {
    const rest = this.#marks.findIndex((mark) => mark.count > count);
    const passed = rest === -1 ? this.#marks.length : rest;
    if (passed === 0) return this.#passed;
    this.#passed = this.#marks[passed - 1]!.bytes;
    this.#marks = this.#marks.slice(passed);
    return this.#passed;
  }
}
