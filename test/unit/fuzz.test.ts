import { expect, it } from 'vitest';
import { fuzz } from '../fuzz/fuzz.js';

it.each([1, 2, 3])(
  'a node lives through 20,000 messages that are not quite right, seed %d',
  async (seed) => {
    const { escapes, handled, ended, dropped } = await fuzz(20_000, seed);
    expect(escapes).toEqual([]);
    // They get everywhere.
    expect(handled).toBeGreaterThan(100);
    expect(ended).toBeGreaterThan(100);
    expect(dropped).toBeGreaterThan(100);
  },
);
