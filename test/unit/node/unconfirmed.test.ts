import { describe, expect, it, vi } from 'vitest';
import { heldMessage, type SentMessage } from '../../../lib/node/recent-replies.js';
import { Unconfirmed } from '../../../lib/node/unconfirmed.js';
import { Keys } from '../../../lib/protocol/keys.js';
import type { Command } from '../../../lib/redis/link.js';
import { pass, turn, useFakeClock } from '../fakes/clock.js';
import { FakeRedis, redisError } from '../fakes/redis.js';

const CHECK_MS = 100;
/** After so many replies it is asked at once. */
const MANY = 2048;

/** `absent`: the callers whose inbox has no subscriber. */
function setUp(...absent: string[]) {
  const redis = new FakeRedis();
  const count = (inbox: unknown) => (absent.includes(String(inbox).slice('t:P:'.length)) ? 0 : 1);
  redis.reply = ([, , ...inboxes]: Command) => inboxes.flatMap((inbox) => [inbox, count(inbox)]);
  const unclaimed: (string | undefined)[] = [];
  const keep = (message: SentMessage) => void unclaimed.push(message.text());
  const unconfirmed = new Unconfirmed(redis, new Keys('t:'), keep);
  const add = (to: string, text = `to ${to}`, replies = 1) =>
    unconfirmed.add({ to, message: heldMessage(text, replies) });
  return { redis, unclaimed, unconfirmed, add };
}

useFakeClock();

describe('replies that were sent quietly', () => {
  it('are asked about after 100 ms, all callers at once and each once', async () => {
    const { redis, unclaimed, add } = setUp();
    add('a.1', '1');
    await pass(CHECK_MS - 1);
    add('b.1', '2');
    add('a.1', '3');
    expect(redis.takePipelines()).toEqual([]);
    await pass(1);
    expect(redis.takePipelines()).toEqual([[['pubsub', 'numsub', 't:P:a.1', 't:P:b.1']]]);
    expect(unclaimed).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are kept when their caller is not there, in their order', async () => {
    const { unclaimed, add } = setUp('gone.1', 'lost.2');
    add('gone.1', '1');
    add('here.1', '2');
    add('lost.2', '3');
    add('gone.1', '4');
    await pass(CHECK_MS);
    expect(unclaimed).toEqual(['1', '3', '4']);
  });

  it('are kept by what Redis says in text too', async () => {
    const { redis, unclaimed, add } = setUp();
    redis.reply = () => ['t:P:a.1', '0', 't:P:b.1', '1'];
    add('a.1');
    add('b.1');
    await pass(CHECK_MS);
    expect(unclaimed).toEqual(['to a.1']);
  });

  it('are asked about once', async () => {
    const { redis, unclaimed, add } = setUp('a.1');
    add('a.1', '1');
    await pass(CHECK_MS);
    add('b.1', '2');
    await pass(CHECK_MS);
    expect(redis.takeCommands()).toEqual([
      ['pubsub', 'numsub', 't:P:a.1'],
      ['pubsub', 'numsub', 't:P:b.1'],
    ]);
    await pass(10 * CHECK_MS);
    expect(redis.takeCommands()).toEqual([]);
    expect(unclaimed).toEqual(['1']);
  });

  it('are asked about at once when there are 4 MiB, half of what is kept of them', () => {
    const { redis, unconfirmed, add } = setUp();
    const mebibyte = 'x'.repeat(1024 * 1024);
    for (let i = 0; i < 3; i++) add('a.1', mebibyte);
    expect(redis.takePipelines()).toEqual([]);
    add('a.1', mebibyte);
    expect(redis.takePipelines()).toEqual([[['pubsub', 'numsub', 't:P:a.1']]]);
    unconfirmed.close();
  });

  it('are asked about at once when there are 2,048, however few messages they are', async () => {
    const { redis, unclaimed, add } = setUp('a.1');
    add('a.1', '1', MANY - 1);
    expect(redis.takePipelines()).toEqual([]);
    add('b.1', '2', 1);
    expect(redis.takePipelines()).toHaveLength(1);
    add('b.1', '3', MANY - 1);
    expect(redis.takePipelines()).toEqual([]);
    await turn();
    expect(unclaimed).toEqual(['1']);
    await pass(CHECK_MS);
    expect(redis.takePipelines()).toHaveLength(1);
  });

  it('are all kept when the connection is cut before the answer', async () => {
    const { redis, unclaimed, add } = setUp();
    redis.cutPipelines();
    add('a.1');
    add('b.1');
    await pass(CHECK_MS);
    expect(unclaimed).toEqual(['to a.1', 'to b.1']);
  });

  it('are forgotten when Redis does not let it be asked', async () => {
    const { redis, unclaimed, add } = setUp();
    redis.reply = () => redisError("NOPERM User x has no permissions to run 'pubsub|numsub'");
    add('a.1');
    await pass(CHECK_MS);
    expect(unclaimed).toEqual([]);
  });
});

describe('check', () => {
  it('asks now, and resolves when it is known', async () => {
    const { redis, unclaimed, unconfirmed, add } = setUp('a.1');
    let answer!: () => void;
    redis.pipelineHeld = new Promise<void>((resolve) => (answer = resolve));
    add('a.1');
    let isDone = false;
    const check = unconfirmed.check().then(() => (isDone = true));
    expect(redis.takePipelines()).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
    await turn();
    expect([isDone, unclaimed]).toEqual([false, []]);
    answer();
    await check;
    expect(unclaimed).toEqual(['to a.1']);
  });

  it('asks nothing when nothing was sent', async () => {
    const { redis, unconfirmed } = setUp();
    await unconfirmed.check();
    expect(redis.takePipelines()).toEqual([]);
  });

  it('resolves when the connection is cut', async () => {
    const { redis, unclaimed, unconfirmed, add } = setUp();
    redis.cutPipelines();
    add('a.1');
    await unconfirmed.check();
    expect(unclaimed).toEqual(['to a.1']);
  });
});

describe('giveUp', () => {
  it('keeps all that has not been checked, in its order, and asks nothing', async () => {
    const { redis, unclaimed, unconfirmed, add } = setUp();
    for (const [to, text] of [
      ['a.1', '1'],
      ['b.1', '2'],
      ['a.1', '3'],
    ] as const)
      add(to, text);
    unconfirmed.giveUp();
    expect(unclaimed).toEqual(['1', '2', '3']);
    expect(vi.getTimerCount()).toBe(0);
    unconfirmed.giveUp();
    await unconfirmed.check();
    expect([redis.takePipelines(), unclaimed]).toEqual([[], ['1', '2', '3']]);
  });

  it('leaves to the answer what has been asked about', async () => {
    const { unclaimed, unconfirmed, add } = setUp('gone.1');
    add('gone.1');
    add('here.1');
    const check = unconfirmed.check();
    unconfirmed.giveUp();
    expect(unclaimed).toEqual([]);
    await check;
    expect(unclaimed).toEqual(['to gone.1']);
  });
});

describe('close', () => {
  it('forgets what has not been checked, and leaves no timer', async () => {
    const { redis, unclaimed, unconfirmed, add } = setUp('a.1');
    add('a.1', '1', MANY - 1);
    unconfirmed.close();
    expect(vi.getTimerCount()).toBe(0);
    await pass(10 * CHECK_MS);
    expect([redis.takePipelines(), unclaimed]).toEqual([[], []]);
    add('b.1', '2', MANY - 1);
    expect(redis.takePipelines()).toEqual([]);
    unconfirmed.close();
  });
});
