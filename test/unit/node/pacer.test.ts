import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { IncomingRequest } from '../../../lib/node/incoming-request.js';
import { Pacer, type Start } from '../../../lib/node/pacer.js';

/** More than half of what a turn may take, and so much that two are more than all of it. */
const BUSY_MS = 6;

/** What the clock says: it goes on only while a handler keeps the process. */
let now = 0;

beforeEach(() => {
  now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => void vi.restoreAllMocks());

function busy(ms: number): void {
  now += ms;
}

async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await turn();
}

function setUp(ms = 0) {
  const started: number[] = [];
  const late: number[] = [];
  const numberOf = ({ request }: Start) => Number(request.id);
  const pacer = new Pacer({
    onTurn: (start) => {
      started.push(numberOf(start));
      busy(ms);
    },
    onTooLate: (start) => void late.push(numberOf(start)),
  });
  const add = (number: number, { startBy = Infinity, bytes = 100 } = {}) => {
    const request = { id: String(number), isSettled: false } as unknown as IncomingRequest;
    pacer.add({ request, handler: () => undefined, startBy, bytes });
    return request as { isSettled: boolean };
  };
  const addMany = (count: number) => Array.from({ length: count }, (_, number) => add(number));
  return { pacer, started, late, add, addMany };
}

const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);

describe('requests', () => {
  it('are all started at once while none keeps the process', () => {
    const { started, addMany } = setUp();
    addMany(1000);
    expect(started).toEqual(numbers(1000));
  });

  it('that keep the process wait for their turn, in their order, and others get theirs in between', async () => {
    const { started, addMany } = setUp(BUSY_MS);
    addMany(7);
    const startedByTurn = [started.length];
    for (let n = 0; n < 3; n++) {
      await turn();
      startedByTurn.push(started.length);
    }
    expect(startedByTurn).toEqual([2, 4, 6, 7]);
    expect(started).toEqual(numbers(7));
  });

  it('that come while others wait do so too', async () => {
    const { started, add, addMany } = setUp(BUSY_MS);
    addMany(5);
    await turn();
    add(5);
    expect(started).toEqual(numbers(4));
    await turns(1);
    expect(started).toEqual(numbers(6));
  });

  it('are started at once again when that is over', async () => {
    const { started, add, addMany } = setUp(BUSY_MS);
    addMany(4);
    await turns(2);
    add(4);
    expect(started).toEqual(numbers(5));
  });

  it('that have waited for too long are not started', async () => {
    const { started, late, add, addMany } = setUp(BUSY_MS);
    addMany(4);
    add(4, { startBy: now + 1 });
    add(5);
    await turns(2);
    expect(started).toEqual([0, 1, 2, 3, 5]);
    expect(late).toEqual([4]);
  });

  it('that are settled while they wait are passed over', async () => {
    const { started, late, addMany } = setUp(BUSY_MS);
    addMany(5)[3]!.isSettled = true;
    await turns(2);
    expect([started, late]).toEqual([[0, 1, 2, 4], []]);
  });
});

describe('a pacer', () => {
  it('is full when 100,000 wait, and when they take 64 MiB', async () => {
    const { pacer, started, add, addMany } = setUp(BUSY_MS);
    addMany(2);
    const waiting = Array.from({ length: 99_999 }, (_, number) => add(number));
    expect(pacer.isFull).toBe(false);
    waiting.push(add(99_999));
    expect(pacer.isFull).toBe(true);
    for (const request of waiting) request.isSettled = true;
    await turns(2);
    expect([pacer.isFull, started.length]).toEqual([false, 2]);
    addMany(3);
    add(1, { bytes: 64 * 1024 * 1024 });
    expect(pacer.isFull).toBe(true);
    await turns(2);
    expect([pacer.isFull, started.length]).toEqual([false, 6]);
  });
});
