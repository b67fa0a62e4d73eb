import { describe, expect, it } from 'vitest';
import { ReplyKeeper } from '../../../lib/node/reply-keeper.js';
import { pass, useFakeClock } from '../fakes/clock.js';

useFakeClock();

describe('a reply that was sent', () => {
  it('is found until 4096 others were sent', () => {
    const keeper = new ReplyKeeper();
    keeper.keepRecent('first', 'frame');
    expect(keeper.find('first')).toBe('frame');
    for (let i = 0; i < 4095; i++) keeper.keepRecent(`id-${i}`, `frame-${i}`);
    expect(keeper.find('first')).toBe('frame');
    keeper.keepRecent('one-more', 'frame');
    expect(keeper.find('first')).toBeUndefined();
    expect(keeper.find('id-0')).toBe('frame-0');
    expect(keeper.find('one-more')).toBe('frame');
  });

  it('pushes the oldest out when all together take more than 8 MiB', () => {
    const keeper = new ReplyKeeper();
    const large = 'x'.repeat(3 * 1024 * 1024);
    for (const id of ['a', 'b', 'c']) keeper.keepRecent(id, large);
    expect(['a', 'b', 'c'].map((id) => keeper.find(id) !== undefined)).toEqual([false, true, true]);
  });

  it('is not kept when it alone takes more than that', () => {
    const keeper = new ReplyKeeper();
    keeper.keepRecent('small', 'frame');
    keeper.keepRecent('huge', 'x'.repeat(9 * 1024 * 1024));
    expect(keeper.find('huge')).toBeUndefined();
    expect(keeper.find('small')).toBe('frame');
  });

  it('does not run out with time', async () => {
    const keeper = new ReplyKeeper();
    keeper.keepRecent('id', 'frame');
    await pass(60_000);
    keeper.expire();
    expect(keeper.find('id')).toBe('frame');
  });
});

describe('a reply that reached nobody', () => {
  it('is kept for ten seconds, however long it is', async () => {
    const keeper = new ReplyKeeper();
    const frame = 'x'.repeat(100_000);
    keeper.keepUnclaimed('id', frame);
    await pass(9_999);
    keeper.expire();
    expect(keeper.find('id')).toBe(frame);
    await pass(1);
    keeper.expire();
    expect(keeper.find('id')).toBeUndefined();
  });

  it('is kept ten seconds from the last time that it reached nobody', async () => {
    const keeper = new ReplyKeeper();
    keeper.keepUnclaimed('id', 'frame');
    keeper.keepUnclaimed('other', 'frame');
    await pass(6000);
    keeper.keepUnclaimed('id', 'again');
    await pass(6000);
    keeper.expire();
    expect([keeper.find('id'), keeper.find('other')]).toEqual(['again', undefined]);
  });

  it('goes before the newest when there are more than 10,000', () => {
    const keeper = new ReplyKeeper();
    for (let i = 0; i <= 10_000; i++) keeper.keepUnclaimed(`id-${i}`, 'frame');
    expect([0, 1, 10_000].map((i) => keeper.find(`id-${i}`))).toEqual([
      undefined,
      'frame',
      'frame',
    ]);
  });

  it('goes before the newest when they take more than 16 Mi characters', () => {
    const keeper = new ReplyKeeper();
    const megabyte = 'x'.repeat(1024 * 1024);
    for (let i = 0; i < 17; i++) keeper.keepUnclaimed(`id-${i}`, megabyte);
    expect(keeper.find('id-0')).toBeUndefined();
    expect(keeper.find('id-1')).toBe(megabyte);
    for (let i = 0; i < 50; i++) keeper.keepUnclaimed('id-16', megabyte);
    expect(keeper.find('id-1')).toBe(megabyte);
  });
});

describe('a reply to an unknown call', () => {
  it('is not found', () => {
    expect(new ReplyKeeper().find('id')).toBeUndefined();
  });
});
