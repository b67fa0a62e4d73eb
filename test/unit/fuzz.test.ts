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

it('a node that looks at signatures lives through them too', async () => {
  const signing = { keys: ['k'.repeat(32)], required: false };
  const { escapes, handled, dropped } = await fuzz(20_000, 4, undefined, signing);
  expect(escapes).toEqual([]);
  expect(handled).toBeGreaterThan(100);
  expect(dropped).toBeGreaterThan(100);
});
