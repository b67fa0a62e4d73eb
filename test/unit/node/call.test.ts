import { describe, expect, it } from 'vitest';
import { fakeCall } from '../fakes/call.js';
import { pass, useFakeClock } from '../fakes/clock.js';

const TIMEOUT_MS = 1000;
const PART_OF_A_MS = 0.25;

const isWhole = (times: number[]) => times.every((time) => Number.isInteger(time));

useFakeClock();

describe('the times of a call', () => {
  it('are whole ms, and no attempt is shorter than it was given', async () => {
    await pass(PART_OF_A_MS);
    const call = fakeCall({ timeoutMs: TIMEOUT_MS, attempts: 3 });
    const begins = [performance.now(), 300.4, 700.6];
    for (const begin of begins) {
      if (begin !== begins[0]) call.leave(begin);
      expect(isWhole([call.attemptBeganAt, call.attemptEndsAt, call.deadlineAt])).toBe(true);
      expect(call.attemptEndsAt - begin).toBeGreaterThanOrEqual(TIMEOUT_MS);
      expect(call.attemptEndsAt - begin).toBeLessThan(TIMEOUT_MS + 1);
    }
    expect(call.deadlineAt - begins[0]!).toBeGreaterThanOrEqual(3 * TIMEOUT_MS);
  });

  it('are whole also between the values of a stream', () => {
    const call = fakeCall({ timeoutMs: TIMEOUT_MS, mayOutlastDeadline: true });
    call.renew(900.5);
    expect([call.attemptBeganAt, call.attemptEndsAt]).toEqual([901, 1901]);
  });

  it('end no attempt after the deadline', () => {
    const call = fakeCall({ timeoutMs: TIMEOUT_MS, deadlineMs: 1500, attempts: 2 });
    const { deadlineAt } = call;
    call.leave(performance.now() + 999.5);
    expect(call.attemptEndsAt).toBe(deadlineAt);
    call.renew(performance.now() + 1200.5);
    expect(call.attemptEndsAt).toBe(deadlineAt);
  });

  it('leave whole ms, never more than the timeout, and nothing once it is over', () => {
    const call = fakeCall({ timeoutMs: TIMEOUT_MS });
    expect(call.timeLeftMs(call.attemptBeganAt - 0.5)).toBe(TIMEOUT_MS);
    expect(call.timeLeftMs(call.attemptEndsAt - 1.5)).toBe(1);
    expect(call.timeLeftMs(call.attemptEndsAt)).toBe(0);
    expect(call.timeLeftMs(call.attemptEndsAt + 5)).toBe(0);
  });
});
