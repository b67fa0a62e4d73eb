const SMALLEST = 8 * 1024;
/** Larger ones are too rare to be worth keeping. */
const LARGEST = 2 * 1024 * 1024;
/** How much memory may lie unused. */
const MAX_FREE_BYTES = 16 * 1024 * 1024;

/** Memory that waits for its next use, by its size. */
const free = new Map<number, Buffer[]>();
let freeBytes = 0;

/**
 * Bytes in memory that is used again once they are released and written. Long texts that are held for a while
 * are the most work that V8's garbage collector can be given: strings it copies, and buffers make it collect
 * everything again and again. A block that is never released is collected like any other object.
 */
export class Block {
  readonly bytes: Buffer;
  readonly #memory: Buffer;
  #writes = 0;
  #isReleased = false;

  constructor(length: number) {
    this.#memory = take(length);
    this.bytes = this.#memory.subarray(0, length);
  }

  /** A socket begins to write the bytes. Returns what it is to call when it has. */
  beginWrite(): (error?: Error | null) => void {
    if (this.#isReleased) throw new Error('a block was used after its release');
    this.#writes++;
    return (error) => {
      // After a failure nobody knows whether the socket still holds the bytes: then these are not used again.
      if (error) return;
      this.#writes--;
      this.#giveBack();
    };
  }

  /** Nobody needs the bytes any more, but for writes that have begun. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#giveBack();
  }

  #giveBack(): void {
    if (this.#isReleased && this.#writes === 0) give(this.#memory);
  }
}

function take(length: number): Buffer {
  const size = Math.max(SMALLEST, 2 ** Math.ceil(Math.log2(length)));
  const memory = free.get(size)?.pop();
  if (memory === undefined) return Buffer.allocUnsafeSlow(size > LARGEST ? length : size);
  freeBytes -= size;
  return memory;
}

function give(memory: Buffer): void {
  const { length } = memory;
  if (length > LARGEST || freeBytes + length > MAX_FREE_BYTES) return;
  freeBytes += length;
  const others = free.get(length);
  if (others) others.push(memory);
  else free.set(length, [memory]);
}
