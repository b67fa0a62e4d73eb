import { describe, expect, it } from 'vitest';
import { isDeeperThan, mayBeDeeperThan } from '../../../lib/protocol/depth.js';
import { Random, seedOfRun } from '../../support/random.js';

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const objects = (depth: number) => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);

const isDeeper = (json: string, limit: number) => isDeeperThan(Buffer.from(json), limit);

describe('isDeeperThan', () => {
  it.each([1, 3, 64])('counts arrays and objects up to the limit of %d and not beyond', (limit) => {
    for (const make of [nested, objects]) {
      expect(isDeeper(make(limit), limit)).toBe(false);
      expect(isDeeper(make(limit + 1), limit)).toBe(true);
    }
  });

  it('does not add up what lies side by side', () => {
    expect(isDeeper(`[${Array.from({ length: 50 }, () => '[[]]').join(',')}]`, 3)).toBe(false);
  });

  it.each([
    ['brackets', '[[[[[[['],
    ['an escaped quote before brackets', '\\"[[[[[['],
    ['several escaped quotes', '\\"[\\"{\\"[\\"{\\"['],
    ['an escaped backslash and an escaped quote', '\\\\\\"[[[[[['],
  ])('passes over a string with %s', (_, inside) => {
    const json = `["${inside}","${inside}"]`;
    expect(JSON.parse(json)).toHaveLength(2);
    expect(isDeeper(json, 1)).toBe(false);
  });

  it('sees that a string ends after escaped backslashes', () => {
    const json = `["\\\\\\\\",[[["x"]]]]`;
    expect(JSON.parse(json)).toHaveLength(2);
    expect(isDeeper(json, 4)).toBe(false);
    expect(isDeeper(json, 3)).toBe(true);
  });

  it('ends on a string that never closes', () => {
    expect(isDeeper(`[[["${'['.repeat(100)}`, 3)).toBe(false);
  });

  it('finds the limit in five million brackets at once', () => {
    const start = performance.now();
    expect(isDeeper('['.repeat(5_000_000), 64)).toBe(true);
    expect(performance.now() - start).toBeLessThan(500);
  });

  it('agrees with a walk through the value, whatever the value is', () => {
    const random = new Random(seedOfRun());
    for (let i = 0; i < 2000; i++) {
      const value = randomValue(random, 6);
      const json = JSON.stringify(value);
      const depth = depthOf(value);
      const context = `seed ${random.seed}: ${json}`;
      expect(mayBeDeeperThan(value, depth), context).toBe(false);
      if (depth > 0) expect(mayBeDeeperThan(value, depth - 1), context).toBe(true);
      expect(isDeeper(json, depth), context).toBe(false);
      if (depth > 0) expect(isDeeper(json, depth - 1), context).toBe(true);
    }
  });
});

describe('mayBeDeeperThan', () => {
  it('cannot tell of what has its own idea of its JSON, so it says that it may be', () => {
    expect(mayBeDeeperThan({ at: new Date(0) }, 64)).toBe(true);
    expect(mayBeDeeperThan([{ bytes: Buffer.from('a') }], 64)).toBe(true);
  });

  it('ends on a value that holds itself', () => {
    const value: Record<string, unknown> = {};
    value.self = value;
    expect(mayBeDeeperThan(value, 64)).toBe(true);
  });
});

function randomValue(random: Random, levels: number): unknown {
  const kind = random.below(levels > 0 ? 5 : 2);
  if (kind === 0) return random.below(1000);
  if (kind === 1) return Array.from({ length: 8 }, () => random.pick([...'"\\[]{}a名'])).join('');
  const items = Array.from({ length: random.below(4) }, () => randomValue(random, levels - 1));
  return kind === 2 ? Object.fromEntries(items.map((item, i) => [`"${i}[`, item])) : items;
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}
