import { describe, expect, it } from 'vitest';
import { RedisClock } from '../../../lib/node/redis-clock.js';
import { pass, useFakeClock } from '../fakes/clock.js';

/** Redis's clock is this much ahead of ours. */
const AHEAD_MS = 1_700_000_000_000;
const redisNow = () => performance.now() + AHEAD_MS;

const ageMs = (clock: RedisClock, stamp: number) => performance.now() - clock.stampedAt(stamp);

useFakeClock();

describe('the age of a message', () => {
  it('is 0 while nothing is known of the clock of Redis', async () => {
    const clock = new RedisClock();
    await pass(5000);
    expect(ageMs(clock, 0)).toBe(0);
  });

  it('does not depend on what time the two clocks show', async () => {
    const clock = new RedisClock();
    clock.observe(performance.now(), redisNow());
    const stamp = redisNow();
    await pass(700);
    expect(ageMs(clock, stamp)).toBe(700);
  });

  it('is never negative', () => {
    const clock = new RedisClock();
    clock.observe(performance.now(), redisNow());
    expect(ageMs(clock, redisNow() + 50)).toBe(0);
  });

  it('is taken from the fastest of the last probes, as a slow one makes the clocks look apart', async () => {
    const clock = new RedisClock();
    for (const delayMs of [300, 2, 500]) clock.observe(performance.now() - delayMs, redisNow());
    const stamp = redisNow();
    await pass(100);
    expect(ageMs(clock, stamp)).toBe(102);
  });

  it('is the same however late the process reads its probes', async () => {
    const clock = new RedisClock();
    const [sentAt, stamp] = [performance.now(), redisNow()];
    await pass(30);
    clock.observe(sentAt, stamp);
    const request = redisNow();
    await pass(300);
    expect(ageMs(clock, request)).toBe(300);
  });

  it('is not taken for a difference of the clocks when the process was frozen', async () => {
    const clock = new RedisClock();
    clock.observe(performance.now(), redisNow());
    const [request, sentAt, probe] = [redisNow(), performance.now(), redisNow()];
    await pass(10_000);
    clock.observe(sentAt, probe);
    expect(ageMs(clock, request)).toBe(10_000);
  });

  it('follows the clocks when they drift apart: old probes are forgotten', async () => {
    const clock = new RedisClock();
    clock.observe(performance.now() + 60_000, redisNow());
    for (let i = 0; i < 8; i++) clock.observe(performance.now(), redisNow());
    const stamp = redisNow();
    await pass(100);
    expect(ageMs(clock, stamp)).toBe(100);
  });
});
