import { describe, expect, it, vi } from 'vitest';
import { Block } from '../../../lib/common/blocks.js';
import { Random, seedOfRun } from '../../support/random.js';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const LENGTH = 10_000;

const memoryOf = ({ bytes }: Block) => bytes.buffer;

/** Whether the next block of this length gets the memory of that one. */
const isUsedAgain = (block: Block, length = LENGTH) =>
  memoryOf(new Block(length)) === memoryOf(block);

/** Does at random what may be done with a block. */
class User {
  readonly #block: Block;
  #isReleased = false;
  readonly #writes: ReturnType<Block['beginWrite']>[] = [];

  constructor(length: number) {
    this.#block = new Block(length);
  }

  get memory(): unknown {
    return memoryOf(this.#block);
  }

  get needsMemory(): boolean {
    return !this.#isReleased || this.#writes.length > 0;
  }

  act(random: Random): 'failed' | void {
    const act = random.below(4);
    if (act === 0) return this.#release();
    if (act === 1 && !this.#isReleased) return void this.#writes.push(this.#block.beginWrite());
    const done = this.#writes.pop();
    if (random.below(50) > 0) return done?.();
    done?.(new Error('EPIPE'));
    return done && 'failed';
  }

  #release(): void {
    this.#block.release();
    this.#isReleased = true;
  }
}

describe('a block', () => {
  it.each([
    [0, 8 * KIBIBYTE],
    [1, 8 * KIBIBYTE],
    [8 * KIBIBYTE, 8 * KIBIBYTE],
    [8 * KIBIBYTE + 1, 16 * KIBIBYTE],
    [MEBIBYTE - 1, MEBIBYTE],
    [MEBIBYTE + 1, 2 * MEBIBYTE],
    [2 * MEBIBYTE, 2 * MEBIBYTE],
    [2 * MEBIBYTE + 1, 2 * MEBIBYTE + 1],
    [5 * MEBIBYTE, 5 * MEBIBYTE],
  ])('of %d bytes has so many, in memory of %d', (length, size) => {
    const block = new Block(length);
    expect(block.bytes).toHaveLength(length);
    expect(memoryOf(block).byteLength).toBe(size);
  });

  it('has its memory for itself until it is released', () => {
    const blocks = Array.from({ length: 100 }, () => new Block(LENGTH));
    expect(new Set(blocks.map(memoryOf)).size).toBe(100);
  });

  it('cannot be written any more when it was released', () => {
    const block = new Block(LENGTH);
    const done = block.beginWrite();
    block.release();
    expect(() => block.beginWrite()).toThrow('a block was used after its release');
    done();
    expect(() => block.beginWrite()).toThrow('a block was used after its release');
  });
});

describe('the memory of a block', () => {
  it('is used again when it is released, by any that fits as well', () => {
    for (const length of [LENGTH, 8 * KIBIBYTE + 1, 16 * KIBIBYTE]) {
      const block = new Block(LENGTH);
      block.release();
      const next = new Block(length);
      expect(memoryOf(next)).toBe(memoryOf(block));
      expect(next.bytes).toHaveLength(length);
    }
  });

  it.each([8 * KIBIBYTE, 16 * KIBIBYTE + 1])('is not used for one of %d bytes', (length) => {
    const block = new Block(LENGTH);
    block.release();
    expect(isUsedAgain(block, length)).toBe(false);
    expect(isUsedAgain(block)).toBe(true);
  });

  it('is not used again while a write is out', () => {
    const block = new Block(LENGTH);
    const [first, second] = [block.beginWrite(), block.beginWrite()];
    block.release();
    expect(isUsedAgain(block)).toBe(false);
    second();
    expect(isUsedAgain(block)).toBe(false);
    first(null);
    expect(isUsedAgain(block)).toBe(true);
  });

  it('is not used again before the release, though all is written', () => {
    const block = new Block(LENGTH);
    for (let i = 0; i < 3; i++) block.beginWrite()();
    expect(isUsedAgain(block)).toBe(false);
    block.release();
    expect(isUsedAgain(block)).toBe(true);
  });

  it('is never used again after a write that failed', () => {
    const block = new Block(LENGTH);
    const [good, bad] = [block.beginWrite(), block.beginWrite()];
    bad(new Error('EPIPE'));
    block.beginWrite()();
    block.release();
    good();
    expect(isUsedAgain(block)).toBe(false);
  });

  it('is not given to two when it is released twice', () => {
    const block = new Block(LENGTH);
    const done = block.beginWrite();
    block.release();
    block.release();
    done();
    block.release();
    const [first, second] = [new Block(LENGTH), new Block(LENGTH)];
    block.release();
    const all = [first, second, new Block(LENGTH)].map(memoryOf);
    expect(all[0]).toBe(memoryOf(block));
    expect(new Set(all).size).toBe(3);
  });

  it.each([
    [2 * MEBIBYTE, true],
    [2 * MEBIBYTE + 1, false],
    [4 * MEBIBYTE, false],
  ])('is kept if it is not more than 2 MiB: %d bytes, %j', (length, isKept) => {
    const block = new Block(length);
    block.release();
    expect(isUsedAgain(block, length)).toBe(isKept);
  });

  it('never belongs to two blocks, and to none after a failure, whatever comes and goes', () => {
    const random = new Random(seedOfRun());
    let users: User[] = [];
    const failed = new Set<unknown>();
    const seen = new Set<unknown>();
    let usedAgain = 0;
    for (let i = 0; i < 20_000; i++) {
      if (random.below(4) === 0) {
        const user = new User(random.pick([100, LENGTH, 5 * LENGTH]));
        const isTaken =
          failed.has(user.memory) || users.some(({ memory }) => memory === user.memory);
        expect(isTaken, `seed ${random.seed}, turn ${i}`).toBe(false);
        if (seen.has(user.memory)) usedAgain++;
        seen.add(user.memory);
        users.push(user);
      } else if (users.length > 0) {
        const user = random.pick(users);
        if (user.act(random) === 'failed') failed.add(user.memory);
        users = users.filter((one) => one.needsMemory);
      }
    }
    expect(usedAgain).toBeGreaterThan(1000);
  });
});

describe('memory that lies free', () => {
  /** As in a process that has kept nothing yet. */
  async function freshBlocks(): Promise<typeof Block> {
    vi.resetModules();
    return (await import('../../../lib/common/blocks.js')).Block;
  }

  it('is at most 16 MiB', async () => {
    const Fresh = await freshBlocks();
    const take = () => Array.from({ length: 9 }, () => new Fresh(2 * MEBIBYTE));
    const first = take();
    for (const block of first) block.release();
    const known = new Set(first.map(memoryOf));
    expect(take().filter((block) => known.has(memoryOf(block)))).toHaveLength(8);
  });

  it('is that of all sizes together, without what is used again', async () => {
    const Fresh = await freshBlocks();
    const large = Array.from({ length: 8 }, () => new Fresh(2 * MEBIBYTE));
    const [one, other] = [new Fresh(LENGTH), new Fresh(LENGTH)];
    for (const block of [...large, one]) block.release();
    expect(memoryOf(new Fresh(LENGTH))).not.toBe(memoryOf(one));
    expect(memoryOf(new Fresh(2 * MEBIBYTE))).toBe(memoryOf(large[7]!));
    other.release();
    expect(memoryOf(new Fresh(LENGTH))).toBe(memoryOf(other));
  });
});
