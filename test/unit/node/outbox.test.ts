import { describe, expect, it, vi } from 'vitest';
import { FlowControl } from '../../../lib/node/flow-control.js';
import { Outbox } from '../../../lib/node/outbox.js';
import { Registration } from '../../../lib/node/registry.js';
import { ReplyKeeper } from '../../../lib/node/reply-keeper.js';
import { decodeMessage } from '../../../lib/protocol/decode.js';
import { resultFrame } from '../../../lib/protocol/encode.js';
import { Keys } from '../../../lib/protocol/keys.js';
import type { Command } from '../../../lib/redis/link.js';
import { turn, useFakeClock } from '../fakes/clock.js';
import { FakeRedis, only, redisError } from '../fakes/redis.js';

const MEBIBYTE = 1024 * 1024;

function setUp() {
  const redis = new FakeRedis();
  const keeper = new ReplyKeeper();
  const address = { incarnation: 'node.2' };
  const unclaimed: string[] = [];
  const errors: string[] = [];
  const flow: FlowControl = new FlowControl((to) => outbox.onRoom(to));
  const outbox: Outbox = new Outbox(redis, new Keys('t:'), address, keeper, flow, {
    onUnclaimed: (id) => void unclaimed.push(id),
    onError: ({ message }) => void errors.push(message),
  });
  const reply = (to: string, id: string, { text = '1', isKept = true } = {}) =>
    outbox.reply(to, id, resultFrame(id, text), isKept);
  const sent = async () => (await turn(), redis.takeCommands());
  return { redis, keeper, address, unclaimed, errors, flow, outbox, reply, sent };
}

const service = (name: string, capacity?: number) =>
  new Registration(name, () => undefined, 1000, capacity);

/** Where a message goes, and what is in it. */
const read = ([, channel, text]: Command) => ({
  channel,
  ...decodeMessage(String(text), 10 * MEBIBYTE),
});
const idsOf = (command: Command) => {
  const message = read(command);
  return 'frames' in message ? message.frames.map(({ id }) => id) : [];
};

const idsIn = (command: Command) => {
  const message = read(command);
  return 'ids' in message ? message.ids : [];
};

useFakeClock();

describe('a turn of the event loop', () => {
  it('is one pipeline: a message per caller, then ids, then points', async () => {
    const { redis, outbox, reply } = setUp();
    const [sum, limited] = [service('sum'), service('limited', 5)];
    reply('a.1', 'id-1');
    outbox.point(sum);
    reply('b.1', 'id-2');
    outbox.cancel('c.1', 'id-4');
    reply('a.1', 'id-3');
    outbox.point(sum);
    outbox.ask('a.1', 'id-5');
    outbox.point(limited, -2);
    await turn();
    const commands = only(redis.takePipelines());
    expect(commands.slice(0, 4).map(read)).toMatchObject([
      { channel: 't:P:a.1', kind: 'r', from: 'node.2', frames: [{ id: 'id-1' }, { id: 'id-3' }] },
      { channel: 't:P:b.1', kind: 'r', from: 'node.2', frames: [{ id: 'id-2' }] },
      { channel: 't:P:c.1', kind: 'c', from: 'node.2', ids: ['id-4'] },
      { channel: 't:P:a.1', kind: 'a', from: 'node.2', ids: ['id-5'] },
    ]);
    expect(commands.slice(4)).toEqual([
      ['zadd', 't:S:sum', 'XX', 'INCR', 2, 'node.2'],
      ['zadd', 't:S:limited', 'XX', 'INCR', -2, 'node.2!'],
    ]);
    expect([sum.returned, limited.returned]).toEqual([2, -2]);
  });

  it('sends nothing when there is nothing, and keeps no timer', async () => {
    const { sent } = setUp();
    expect(await sent()).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('sends everything once', async () => {
    const { outbox, reply, sent } = setUp();
    reply('a.1', 'id');
    outbox.cancel('a.1', 'id');
    outbox.point(service('sum'));
    expect(await sent()).toHaveLength(3);
    expect(await sent()).toEqual([]);
  });

  it('counts points as returned when they are sent and not before', async () => {
    const { outbox, sent } = setUp();
    const sum = service('sum');
    outbox.point(sum);
    expect(sum.returned).toBe(0);
    await sent();
    expect(sum.returned).toBe(1);
  });
});

describe('a message', () => {
  it('has at most 1 MiB of replies', async () => {
    const { reply, sent } = setUp();
    for (let i = 0; i < 30; i++) reply('a.1', `id-${i}`, { text: `"${'x'.repeat(100_000)}"` });
    const commands = await sent();
    const lengths = commands.map(([, , text]) => String(text).length);
    expect(lengths).toHaveLength(3);
    expect(Math.max(...lengths)).toBeLessThan(MEBIBYTE + 100);
    expect(commands.flatMap(idsOf)).toEqual(Array.from({ length: 30 }, (_, i) => `id-${i}`));
  });

  it('waits while 4 MiB are on their way to the same receiver, and keeps its order', async () => {
    const { flow, reply, sent } = setUp();
    for (const id of ['a', 'b', 'c']) reply('a.1', id, { text: `"${'x'.repeat(2 * MEBIBYTE)}"` });
    reply('a.1', 'last');
    reply('b.1', 'other');
    const first = await sent();
    expect(first.flatMap(idsOf)).toEqual(['a', 'other']);
    expect(await sent()).toEqual([]);
    flow.onReceived('a.1', String(first[0]![2]).length);
    const second = await sent();
    expect(second.flatMap(idsOf)).toEqual(['b']);
    flow.onReceived('a.1', String(second[0]![2]).length);
    expect((await sent()).flatMap(idsOf)).toEqual(['c', 'last']);
    flow.clear();
  });

  it('says how much was read of what others sent', async () => {
    const { outbox, sent } = setUp();
    outbox.received('a.1', 70_000);
    outbox.received('a.1', 80_000);
    expect((await sent()).map(read)).toEqual([
      { channel: 't:P:a.1', kind: 'k', from: 'node.2', length: 150_000 },
    ]);
  });

  it.each(['cancel', 'ask'] as const)('has at most 5000 ids to %s', async (kind) => {
    const { outbox, sent } = setUp();
    const ids = Array.from({ length: 5001 }, (_, i) => `id-${i}`);
    for (const id of ids) outbox[kind]('a.1', id);
    const commands = await sent();
    expect(commands.map((command) => idsIn(command).length)).toEqual([5000, 1]);
    expect(commands.flatMap(idsIn)).toEqual(ids);
  });

  it('has 5000 ids while there are so many', async () => {
    const { outbox, sent } = setUp();
    for (let i = 0; i < 15_000; i++) outbox.cancel('a.1', `id-${i}`);
    expect(await sent()).toHaveLength(3);
  });
});

describe('a reply that reaches nobody', () => {
  it('is kept when it is the answer of a handler', async () => {
    const { redis, keeper, unclaimed, reply, sent } = setUp();
    redis.reply = () => 0;
    const text = `"${'x'.repeat(5000)}"`;
    reply('a.1', 'id', { text });
    await sent();
    expect(keeper.find('id')).toBe(resultFrame('id', text));
    expect(unclaimed).toEqual([]);
  });

  it('tells that the caller is gone when it is the value of a stream', async () => {
    const { redis, keeper, unclaimed, reply, sent } = setUp();
    redis.reply = ([, channel]) => (channel === 't:P:gone.1' ? 0 : 1);
    reply('gone.1', 'stream', { isKept: false });
    reply('here.1', 'other', { isKept: false });
    await sent();
    expect(unclaimed).toEqual(['stream']);
    expect(keeper.find('stream')).toBeUndefined();
  });
});

describe('a reply that was sent', () => {
  it('is found again if it is the answer of a handler', async () => {
    const { keeper, reply, sent } = setUp();
    reply('a.1', 'id');
    reply('a.1', 'value', { isKept: false });
    await sent();
    expect(keeper.find('id')).toBe(resultFrame('id', '1'));
    expect(keeper.find('value')).toBeUndefined();
  });
});

describe('a cut connection', () => {
  it('keeps the answers that were being sent', async () => {
    const { redis, keeper, reply, sent } = setUp();
    redis.cutPipelines();
    const text = `"${'x'.repeat(5000)}"`;
    reply('a.1', 'id', { text });
    reply('a.1', 'value', { isKept: false });
    await sent();
    expect(keeper.find('id')).toBe(resultFrame('id', text));
    expect(keeper.find('value')).toBeUndefined();
  });

  it('keeps the answers that are given meanwhile, and the ids, which go out later', async () => {
    const { redis, keeper, address, outbox, reply, sent } = setUp();
    redis.isUp = false;
    reply('a.1', 'id-1');
    outbox.cancel('a.1', 'id-2');
    expect(await sent()).toEqual([]);
    expect(keeper.find('id-1')).toBe(resultFrame('id-1', '1'));
    redis.isUp = true;
    address.incarnation = 'node.3';
    outbox.cancel('a.1', 'id-3');
    expect((await sent()).map(read)).toMatchObject([{ from: 'node.3', ids: ['id-2', 'id-3'] }]);
  });

  it('ends the points of the incarnation', async () => {
    const { outbox, sent } = setUp();
    const sum = service('sum');
    outbox.point(sum);
    outbox.forgetPoints();
    expect(await sent()).toEqual([]);
    expect(sum.returned).toBe(0);
  });
});

describe('what Redis refuses', () => {
  it('is reported', async () => {
    const { redis, errors, outbox, reply, sent } = setUp();
    redis.reply = ([name]) => (name === 'zadd' ? redisError('OOM command not allowed') : 1);
    reply('a.1', 'id');
    outbox.point(service('sum'));
    await sent();
    expect(errors).toEqual(['OOM command not allowed']);
  });
});

describe('flushed', () => {
  it('sends at once, and resolves when Redis has it', async () => {
    const { redis, outbox, reply } = setUp();
    let answer!: (value?: unknown) => void;
    redis.pipelineHeld = new Promise((resolve) => (answer = resolve));
    let isFlushed = false;
    reply('a.1', 'id');
    const flushed = outbox.flushed().then(() => (isFlushed = true));
    expect(redis.takeCommands()).toHaveLength(1);
    await turn();
    expect(isFlushed).toBe(false);
    answer();
    await flushed;
    expect(redis.takeCommands()).toEqual([]);
  });

  it('resolves when Redis cannot be reached', async () => {
    const { redis, outbox, reply } = setUp();
    reply('a.1', 'id-1');
    redis.cutPipelines();
    await outbox.flushed();
    redis.isUp = false;
    reply('a.1', 'id-2');
    await outbox.flushed();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('close', () => {
  it('forgets what waits', async () => {
    const { outbox, reply, sent } = setUp();
    reply('a.1', 'id');
    outbox.cancel('a.1', 'id');
    outbox.point(service('sum'));
    outbox.close();
    expect(vi.getTimerCount()).toBe(0);
    expect(await sent()).toEqual([]);
  });
});
