import { describe, expect, it } from 'vitest';
import { RecentIds } from '../../../lib/node/recent-ids.js';
import { randomId } from '../../../lib/protocol/ids.js';

const COUNT = 4096;

const idsOf = (count: number) => Array.from({ length: count }, () => randomId());

function filled(ids: readonly string[]): RecentIds {
  const recent = new RecentIds(COUNT);
  for (const id of ids) recent.add(id);
  return recent;
}

describe('recent ids', () => {
  it('have none at first', () => {
    const recent = new RecentIds(COUNT);
    expect(idsOf(1000).filter((id) => recent.mayHave(id))).toEqual([]);
  });

  it.each([1, COUNT, COUNT + 1, 2 * COUNT, 5 * COUNT + 17])(
    'have the last ones for certain, of %d that were added',
    (added) => {
      const ids = idsOf(added);
      const recent = filled(ids);
      expect(ids.slice(-COUNT).every((id) => recent.mayHave(id))).toBe(true);
    },
  );

  it('have next to no others, nor those that were added long ago', () => {
    const ids = idsOf(10 * COUNT);
    const recent = filled(ids);
    const wrong = (some: readonly string[]) => some.filter((id) => recent.mayHave(id)).length;
    expect(wrong(idsOf(10_000))).toBeLessThan(50);
    expect(wrong(ids.slice(0, 8 * COUNT))).toBeLessThan(200);
  });

  it('tell ids apart that differ little', () => {
    const recent = filled(Array.from({ length: COUNT }, (_, i) => `call-${i}`));
    const others = Array.from({ length: 10_000 }, (_, i) => `call-${i + COUNT}`);
    expect(others.filter((id) => recent.mayHave(id)).length).toBeLessThan(100);
  });
});
