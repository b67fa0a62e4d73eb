import { expect, it } from 'vitest';
import { corpusFor } from '../fuzz/corpus.js';
import { fuzz } from '../fuzz/fuzz.js';
import { Target } from '../fuzz/target.js';

const KEYS = ['k'.repeat(32)];

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

it.each([true, false])(
  'a node that looks at signatures lives through them too (required: %s)',
  async (required) => {
    const { escapes, handled, dropped } = await fuzz(20_000, 4, undefined, {
      keys: KEYS,
      required,
    });
    expect(escapes).toEqual([]);
    expect(handled).toBeGreaterThan(100);
    expect(dropped).toBeGreaterThan(100);
  },
);

it('what the corpus has signed is taken by a node that requires it', async () => {
  const dropsOf = async (isSigning: boolean) => {
    const target = new Target({ keys: KEYS, required: true });
    await target.open();
    target.refill();
    const { callIds, incarnation, signer } = target;
    const corpus = corpusFor(callIds, incarnation, isSigning ? signer : undefined);
    for (const message of corpus) target.receive(message);
    const { drops } = target;
    await target.close();
    return { drops, count: corpus.length };
  };
  const [plain, signed] = [await dropsOf(false), await dropsOf(true)];
  expect(signed.count - plain.count).toBeGreaterThan(15);
  expect(plain.drops.unsigned).toBeGreaterThan(15);
  expect(signed.drops).toEqual(plain.drops);
});
