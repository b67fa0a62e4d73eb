import { describe, expect, it, vi } from 'vitest';
import { TimerWheel, WheelEntry } from '../../../lib/node/timer-wheel.js';
import { pass, turn, useFakeClock } from '../fakes/clock.js';
import { Random, seedOfRun } from '../../support/random.js';

const TICK_MS = 10;

class Entry extends WheelEntry {
  readonly toldAt: number[] = [];
  constructor(readonly dueMs: number) {
    super();
  }
}

/** A wheel that notes when each entry is told. */
function setUp(then: (entry: Entry, wheel: TimerWheel<Entry>) => void = () => undefined) {
  const wheel: TimerWheel<Entry> = new TimerWheel((entry) => {
    entry.toldAt.push(performance.now());
    then(entry, wheel);
  });
  const add = (...dueMs: number[]) =>
    dueMs.map((due) => {
      const entry = new Entry(performance.now() + due);
      wheel.add(entry, entry.dueMs);
      return entry;
    });
  return { wheel, add };
}

/** Told once, never early, and late by less than the tick that it waits for and the tick's own delay. */
function expectOnTime(entries: readonly Entry[], context = ''): void {
  const wrong = entries.filter(({ toldAt, dueMs }) => {
    const lateMs = toldAt[0]! - dueMs;
    return toldAt.length !== 1 || lateMs < 0 || lateMs >= 2 * TICK_MS;
  });
  expect(wrong, context).toEqual([]);
}

describe('the timer wheel', () => {
  useFakeClock();

  const DELAYS = [0, 1, 9, 10, 11, 15, 999, 10_230, 10_240, 10_250, 35_000, 600_000];

  it.each(DELAYS)('tells an entry after %d ms, never early', async (due) => {
    const { add } = setUp();
    await pass(3);
    const entries = add(due);
    await pass(due + 2 * TICK_MS);
    expectOnTime(entries);
  });

  it('tells an entry at most one tick late', async () => {
    const { add } = setUp();
    await pass(3);
    const [entry] = add(9) as [Entry];
    await pass(100);
    expect(entry.toldAt[0]! - entry.dueMs).toBeLessThanOrEqual(TICK_MS);
  });

  it('tells 100,000 entries, spread over several turns of the wheel', async () => {
    const random = new Random(seedOfRun());
    const { add } = setUp();
    const entries = add(...Array.from({ length: 100_000 }, () => random.next() * 30_000));
    await pass(30_000 + 2 * TICK_MS);
    expectOnTime(entries, `seed ${random.seed}`);
  });

  it('takes entries while others wait', async () => {
    const { add } = setUp();
    const entries: Entry[] = [];
    for (let i = 0; i < 300; i++) {
      entries.push(...add(50, 1003, 12_345));
      await pass(7);
    }
    await pass(13_000);
    expectOnTime(entries);
  });

  it('does not tell an entry that was removed', async () => {
    const { wheel, add } = setUp();
    const [gone, stays] = add(50, 50) as [Entry, Entry];
    wheel.remove(gone);
    wheel.remove(gone);
    await pass(100);
    expect(gone.toldAt).toEqual([]);
    expectOnTime([stays]);
  });

  it.each([
    ['later', 50, 500],
    ['earlier', 500, 50],
  ])('moves an entry that is added again for %s', async (_, first, second) => {
    const { wheel, add } = setUp();
    const [entry] = add(first) as [Entry];
    wheel.add(entry, performance.now() + second);
    await pass(1000);
    expect(entry.toldAt).toHaveLength(1);
    expect(entry.toldAt[0]).toBeGreaterThanOrEqual(second);
    expect(entry.toldAt[0]).toBeLessThanOrEqual(second + TICK_MS);
  });

  it('does not tell what another entry of the same tick removes', async () => {
    const { add } = setUp((entry, wheel) => entry === first && wheel.remove(second));
    const [first, second] = add(50, 50) as [Entry, Entry];
    await pass(100);
    expectOnTime([first]);
    expect(second.toldAt).toEqual([]);
  });

  it('tells what another entry of the same tick adds anew at its new time', async () => {
    const { add } = setUp((entry, wheel) => {
      if (entry === first) wheel.add(second, performance.now() + 200);
    });
    const [first, second] = add(50, 50) as [Entry, Entry];
    await pass(1000);
    expectOnTime([first]);
    expect(second.toldAt).toEqual([first.toldAt[0]! + 200]);
  });

  it('tells an entry again that adds itself', async () => {
    const { add } = setUp((entry, wheel) => {
      if (entry.toldAt.length < 5) wheel.add(entry, performance.now() + 20);
    });
    const [entry] = add(20) as [Entry];
    await pass(1000);
    expect(entry.toldAt).toEqual([20, 40, 60, 80, 100]);
  });

  it('has no timer when it is empty, and one for any number of entries', async () => {
    const { wheel, add } = setUp();
    expect(vi.getTimerCount()).toBe(0);
    const [first] = add(50, 60, 70) as [Entry];
    expect(vi.getTimerCount()).toBe(1);
    wheel.remove(first);
    await pass(100);
    expect(vi.getTimerCount()).toBe(0);
    expectOnTime(add(5000).concat(await passed(6000, add(3000))));
  });

  it('has no timer soon after the last entry was removed', async () => {
    const { wheel, add } = setUp();
    const [entry] = add(5000) as [Entry];
    wheel.remove(entry);
    await pass(TICK_MS);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('tells nothing after it was closed', async () => {
    const { wheel, add } = setUp();
    const entries = add(50, 5000);
    wheel.close();
    expect(vi.getTimerCount()).toBe(0);
    await pass(10_000);
    expect(entries.flatMap(({ toldAt }) => toldAt)).toEqual([]);
  });

  it('starts anew after it was empty for long', async () => {
    const { add } = setUp();
    await passed(100, add(50));
    await pass(123_456);
    expectOnTime(await passed(1000, add(50, 777)));
  });
});

async function passed(ms: number, entries: Entry[]): Promise<Entry[]> {
  await pass(ms);
  return entries;
}

describe('a process that was held up', () => {
  useFakeClock();

  /** Makes the clock go on by `ms` without a chance for any timer. */
  function holdUp(ms: number): void {
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + ms);
  }

  /** Input is read when the timers that are due have run. */
  const afterTimers = (act: () => void) => setTimeout(act, TICK_MS);

  it('reads what has arrived before it tells what fell due meanwhile', async () => {
    const order: string[] = [];
    const { add } = setUp(() => order.push('told'));
    add(50);
    holdUp(3000);
    afterTimers(() => order.push('input'));
    await pass(TICK_MS);
    await turn();
    expect(order).toEqual(['input', 'told']);
  });

  it('does not tell an entry that the input removes', async () => {
    const { wheel, add } = setUp();
    const [answered, late] = add(50, 60) as [Entry, Entry];
    holdUp(3000);
    afterTimers(() => wheel.remove(answered));
    await pass(TICK_MS);
    await turn();
    expect([answered.toldAt.length, late.toldAt.length]).toEqual([0, 1]);
  });

  it('tells everything once when it was longer than a turn of the wheel', async () => {
    const { add } = setUp();
    const entries = add(50, 5000, 11_000, 25_000);
    const [later] = add(60_000) as [Entry];
    holdUp(30_000);
    await pass(TICK_MS);
    await turn();
    expect(entries.map(({ toldAt }) => toldAt.length)).toEqual([1, 1, 1, 1]);
    expect(later.toldAt).toEqual([]);
    await pass(30_000);
    expectOnTime([later]);
  });

  it('tells the others on time when telling one takes long and adds another', async () => {
    const { add } = setUp((entry) => {
      if (entry !== slow) return;
      holdUp(25);
      add(500);
    });
    const [slow, next] = add(50, 65) as [Entry, Entry];
    await pass(200);
    expect(next.toldAt).toHaveLength(1);
  });
});
