/** Of one generation. With 4096 ids one in a thousand others is taken for one of them. */
const BITS = 2 ** 18;

/**
 * Says of an id whether it may be among the last ones: no for certain, yes now and then by mistake. Ids that
 * nobody asks for cost no memory that way (a Bloom filter of two generations).
 */
export class RecentIds {
  #current = new Uint8Array(BITS / 8);
  #previous = new Uint8Array(BITS / 8);
  #added = 0;

  /** At least so many ids are remembered, at most twice as many. */
  constructor(private readonly count: number) {}

  add(id: string): void {
    if (this.#added++ === this.count) this.#turn();
    const hash = hashOf(id);
    setBit(this.#current, hash);
    setBit(this.#current, second(hash));
  }

  mayHave(id: string): boolean {
    const hash = hashOf(id);
    return [this.#current, this.#previous].some(
      (bits) => hasBit(bits, hash) && hasBit(bits, second(hash)),
    );
  }

  #turn(): void {
    [this.#current, this.#previous] = [this.#previous, this.#current];
    this.#current.fill(0);
    this.#added = 1;
  }
}

/** FNV-1a, 32 bits. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function second(hash: number): number {
  return Math.imul(hash, 0x9e3779b1) >>> 0;
}

/** The upper bits of a hash are its best. */
function setBit(bits: Uint8Array, hash: number): void {
  const bit = hash >>> 14;
  bits[bit >>> 3]! |= 1 << (bit & 7);
}

function hasBit(bits: Uint8Array, hash: number): boolean {
  const bit = hash >>> 14;
  return (bits[bit >>> 3]! & (1 << (bit & 7))) !== 0;
}
