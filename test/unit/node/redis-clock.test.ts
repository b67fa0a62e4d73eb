import { describe, expect, it } from 'vitest';
import { RedisClock } from '../../../lib/node/redis-clock.js';
import { pass, useFakeClock } from '../fakes/clock.js';

/** Redis's clock is this much ahead of ours. */
const AHEAD_MS = 1_700_000_000_000;
const redisNow = () => performance.now() + AHEAD_MS;

useFakeClock();

describe('the age of a message', () => {
  it('is 0 while nothing is known of the clock of Redis', async () => {
    const clock = new RedisClock();
    await pass(5000);
    expect(clock.ageMs(0)).toBe(0);
  });

  it('does not depend on what time the two clocks show', async () => {
    const clock = new RedisClock();
    clock.observe(redisNow());
    const stamp = redisNow();
    await pass(700);
    expect(clock.ageMs(stamp)).toBe(700);
  });

  it('is never negative', () => {
    const clock = new RedisClock();
    clock.observe(redisNow());
    expect(clock.ageMs(redisNow() + 50)).toBe(0);
  });

  it('is taken from the fastest of the last probes, as a slow one makes the clocks look apart', async () => {
    const clock = new RedisClock();
    for (const delayMs of [300, 2, 500]) clock.observe(redisNow() - delayMs);
    const stamp = redisNow();
    await pass(100);
    expect(clock.ageMs(stamp)).toBe(98);
  });

  it('is not taken for a difference of the clocks when the process was frozen', async () => {
    const clock = new RedisClock();
    clock.observe(redisNow());
    const [request, probe] = [redisNow(), redisNow()];
    await pass(10_000);
    clock.observe(probe);
    expect(clock.ageMs(request)).toBe(10_000);
  });

  it('follows the clocks when they drift apart: old probes are forgotten', async () => {
    const clock = new RedisClock();
    clock.observe(redisNow() + 60_000);
    for (let i = 0; i < 8; i++) clock.observe(redisNow());
    const stamp = redisNow();
    await pass(100);
    expect(clock.ageMs(stamp)).toBe(100);
  });
});
