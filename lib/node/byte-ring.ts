import { byteLength, type Text, writeText } from '../protocol/text.js';

/** Where a text lies, counted in bytes from the first that was ever written. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The last texts that were written, as bytes in one piece of memory that is used again and again: whatever is
 * kept for a while and then dropped, one by one, is the most work that a garbage collector can be given.
 */
export class ByteRing {
  #bytes: Buffer | undefined;
  #end = 0;

  constructor(readonly size: number) {}

  /** Writes over the oldest texts as far as need be. The text must not be longer than the ring. */
  write(text: Text): Span {
    const length = byteLength(text);
    this.#bytes ??= Buffer.allocUnsafeSlow(this.size);
    const room = this.size - (this.#end % this.size);
    const start = length <= room ? this.#end : this.#end + room;
    writeText(this.#bytes, start % this.size, text);
    this.#end = start + length;
    return { start, end: this.#end };
  }

  has({ start }: Span): boolean {
    return start >= this.#end - this.size;
  }

  /** The bytes themselves, not a copy; undefined if they were written over. */
  read(span: Span): Buffer | undefined {
    if (!this.has(span)) return undefined;
    const offset = span.start % this.size;
    return this.#bytes!.subarray(offset, offset + span.end - span.start);
  }
}
