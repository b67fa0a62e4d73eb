import { describe, expect, it, vi } from 'vitest';
import { CloudsOverloadedError } from '../../../lib/common/errors.js';
import { FlowControl } from '../../../lib/node/flow-control.js';
import { Outbox } from '../../../lib/node/outbox.js';
import { Registration } from '../../../lib/node/registry.js';
import { ReplyKeeper } from '../../../lib/node/reply-keeper.js';
import { decodeMessage } from '../../../lib/protocol/decode.js';
import { refusalFrame, resultFrame, valueFrame } from '../../../lib/protocol/encode.js';
import { ReplyKind } from '../../../lib/protocol/frames.js';
import { Signer } from '../../../lib/protocol/signer.js';
import { Keys } from '../../../lib/protocol/keys.js';
import type { Command } from '../../../lib/redis/link.js';
import { pass, turn, useFakeClock } from '../fakes/clock.js';
import { FakeRedis, only, redisError } from '../fakes/redis.js';

const MEBIBYTE = 1024 * 1024;

function setUp() {
  const redis = new FakeRedis();
  const keeper = new ReplyKeeper();
  const address = { incarnation: 'node.2' };
  const unclaimed: string[] = [];
  const errors: string[] = [];
  const flow: FlowControl = new FlowControl((to) => outbox.onRoom(to));
  const outbox: Outbox = new Outbox(
    redis,
    new Keys('t:'),
    address,
    new Signer('t:'),
    keeper,
    flow,
    {
      onUnclaimed: ({ id }) => void unclaimed.push(id),
      onError: ({ message }) => void errors.push(message),
    },
  );
  const reply = (to: string, id: string, text = '1') => outbox.reply(to, resultFrame(id, text));
  const stream = (to: string, id: string, count = 0) =>
    outbox.value(to, valueFrame(id, count, '1'));
  const sent = async () => (await turn(), redis.takeCommands());
  return { redis, keeper, address, unclaimed, errors, flow, outbox, reply, stream, sent };
}

const service = (name: string, capacity?: number) =>
  new Registration(name, () => undefined, 1000, capacity);

/** Where a message goes, and what is in it. */
const read = ([, channel, text]: Command) => ({
  channel,
  ...decodeMessage(Buffer.from(String(text)), 10 * MEBIBYTE),
});
const idsOf = (command: Command) => {
  const message = read(command);
  return 'frames' in message ? message.frames.map(([id]) => id) : [];
};

const idsIn = (command: Command) => {
  const message = read(command);
  return 'ids' in message ? message.ids : [];
};

useFakeClock();

describe('a turn of the event loop', () => {
  it('is one pipeline: points, then a message per caller, then ids', async () => {
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
    const result = (id: string) => [id, ReplyKind.RESULT, 0, 1];
    expect(commands.slice(0, 2)).toEqual([
      ['zadd', 't:S:sum', 'XX', 'INCR', 2, 'node.2'],
      ['zadd', 't:S:limited', 'XX', 'INCR', -2, 'node.2!'],
    ]);
    expect(commands.slice(2).map(read)).toMatchObject([
      { channel: 't:P:a.1', kind: 'r', from: 'node.2', frames: [result('id-1'), result('id-3')] },
      { channel: 't:P:b.1', kind: 'r', from: 'node.2', frames: [result('id-2')] },
      { channel: 't:P:c.1', kind: 'c', from: 'node.2', ids: ['id-4'] },
      { channel: 't:P:a.1', kind: 'a', from: 'node.2', ids: ['id-5'] },
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

  it('has one command for the points of a service, and none for those that cancel out', async () => {
    const { outbox, sent } = setUp();
    const [sum, product] = [service('sum'), service('product')];
    for (const count of [3, -3, 2, -2, 1]) outbox.point(sum, count);
    for (const count of [3, -3]) outbox.point(product, count);
    expect(await sent()).toEqual([['zadd', 't:S:sum', 'XX', 'INCR', 1, 'node.2']]);
    expect([sum.returned, product.returned]).toEqual([1, 0]);
  });
});

describe('a message', () => {
  it('has at most 128 KiB of replies, or one longer than that', async () => {
    const { reply, sent } = setUp();
    for (let i = 0; i < 30; i++) reply('a.1', `id-${i}`, `"${'x'.repeat(10_000)}"`);
    reply('a.1', 'long', `"${'x'.repeat(100_000)}"`);
    const commands = await sent();
    const lengths = commands.map(([, , text]) => String(text).length);
    expect(lengths).toHaveLength(4);
    expect(Math.max(...lengths.slice(0, -1))).toBeLessThan(128 * 1024 + 100);
    const sentIds = [...Array.from({ length: 30 }, (_, i) => `id-${i}`), 'long'];
    expect(commands.flatMap(idsOf)).toEqual(sentIds);
  });

  it('waits while 4 MiB are on their way to the same receiver, and keeps its order', async () => {
    const { flow, reply, sent } = setUp();
    for (const id of ['a', 'b', 'c']) reply('a.1', id, `"${'x'.repeat(2 * MEBIBYTE)}"`);
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

  it('says the last count of what was consumed of each stream, behind the asks', async () => {
    const { outbox, sent } = setUp();
    outbox.consumed('a.1', 'x', 512);
    outbox.consumed('a.1', 'y', 1);
    outbox.consumed('b.1', 'z', 7);
    outbox.consumed('a.1', 'x', 1024);
    outbox.ask('a.1', 'x');
    expect((await sent()).map(read)).toEqual([
      { channel: 't:P:a.1', kind: 'a', from: 'node.2', ids: ['x'] },
      {
        channel: 't:P:a.1',
        kind: 'w',
        from: 'node.2',
        consumed: [
          ['x', 1024],
          ['y', 1],
        ],
      },
      { channel: 't:P:b.1', kind: 'w', from: 'node.2', consumed: [['z', 7]] },
    ]);
    expect(await sent()).toEqual([]);
  });

  it('does not say later what was consumed while there is no connection', async () => {
    const { redis, outbox, sent } = setUp();
    redis.isUp = false;
    outbox.consumed('a.1', 'x', 512);
    expect(await sent()).toEqual([]);
    redis.isUp = true;
    outbox.point(service('sum'));
    expect((await sent()).map(([name]) => name)).toEqual(['zadd']);
  });

  it('tells of streams that are broken, as a value could not be sent', async () => {
    const { redis, unclaimed, reply, stream, sent } = setUp();
    redis.isUp = false;
    stream('a.1', 'stream');
    reply('a.1', 'reply');
    await sent();
    expect(unclaimed).toEqual(['stream']);
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
    reply('a.1', 'id', text);
    await sent();
    expect(keeper.find('id')).toBe(String(resultFrame('id', text)));
    expect(unclaimed).toEqual([]);
  });

  it('tells that the caller is gone when it is the value of a stream', async () => {
    const { redis, keeper, unclaimed, stream, sent } = setUp();
    redis.reply = ([, channel]) => (channel === 't:P:gone.1' ? 0 : 1);
    stream('gone.1', 'stream');
    stream('here.1', 'other');
    await sent();
    expect(unclaimed).toEqual(['stream']);
    expect(keeper.find('stream')).toBeUndefined();
  });

  it('is known for certain, however much leaves with it', async () => {
    const { redis, unclaimed, reply, stream, sent } = setUp();
    redis.reply = ([, channel]) => (channel === 't:P:gone.1' ? 0 : 1);
    stream('gone.1', 'stream');
    for (let i = 0; i < 3; i++) reply(`here.${i}`, `id-${i}`, `"${'x'.repeat(3 * MEBIBYTE)}"`);
    await sent();
    expect(unclaimed).toEqual(['stream']);
  });

  it('is known by what Redis says of its own message, whatever leaves with it', async () => {
    const { redis, unclaimed, outbox, reply, stream, sent } = setUp();
    redis.reply = ([name, channel]) => (name === 'zadd' || channel === 't:P:gone.1' ? 0 : 1);
    outbox.point(service('sum'));
    stream('here.1', 'other');
    reply('gone.1', 'result');
    stream('gone.1', 'stream');
    outbox.ask('gone.1', 'asked');
    await sent();
    expect(unclaimed).toEqual(['stream']);
  });

  it('is forgotten when it says that the handler has not run', async () => {
    const { redis, keeper, unclaimed, outbox, sent } = setUp();
    redis.reply = () => 0;
    outbox.reply('a.1', refusalFrame('id', 0, new CloudsOverloadedError('full')));
    await sent();
    expect([keeper.find('id'), unclaimed]).toEqual([undefined, []]);
  });
});

describe('a reply that was sent', () => {
  it('is found again if it is the answer of a handler', async () => {
    const { keeper, reply, stream, sent } = setUp();
    reply('a.1', 'id');
    stream('a.1', 'value');
    await sent();
    expect(keeper.find('id')).toBe(resultFrame('id', '1'));
    expect(keeper.find('value')).toBeUndefined();
  });
});

describe('a cut connection', () => {
  it('keeps the answers that were being sent', async () => {
    const { redis, keeper, unclaimed, reply, stream, sent } = setUp();
    redis.cutPipelines();
    const text = `"${'x'.repeat(5000)}"`;
    reply('a.1', 'id', text);
    stream('a.1', 'value');
    await sent();
    expect(keeper.find('id')).toBe(String(resultFrame('id', text)));
    expect(keeper.find('value')).toBeUndefined();
    expect(unclaimed).toEqual([]);
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
    outbox.point(sum);
    expect(await sent()).toEqual([['zadd', 't:S:sum', 'XX', 'INCR', 1, 'node.2']]);
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

describe('replies and points alone', () => {
  /** Long enough for the encoder to make bytes of it. */

  /** Redis lets us be quiet; these inboxes have no subscriber. */
  function setUpQuiet(...absent: string[]) {
    const set = setUp();
    const { redis } = set;
    redis.canBeQuiet = true;
    const count = (inbox: unknown) => (absent.includes(String(inbox)) ? 0 : 1);
    redis.reply = ([name, kind, ...inboxes]) => {
      if (name === 'publish') return count(kind);
      return name === 'pubsub' ? inboxes.flatMap((inbox) => [inbox, count(inbox)]) : 1;
    };
    /** What went out in this turn, quietly or not. */
    const left = async () => {
      const answered = await set.sent();
      return { answered, quiet: redis.takeQuiet() };
    };
    return { ...set, left };
  }

  it('go out quietly, points first', async () => {
    const { outbox, reply, left } = setUpQuiet();
    const sum = service('sum');
    reply('a.1', 'id-1');
    outbox.point(sum);
    reply('b.1', 'id-2');
    reply('a.1', 'id-3');
    const { answered, quiet } = await left();
    expect(answered).toEqual([]);
    expect(quiet[0]).toEqual(['zadd', 't:S:sum', 'XX', 'INCR', 1, 'node.2']);
    expect(quiet.slice(1).map((command) => [read(command).channel, idsOf(command)])).toEqual([
      ['t:P:a.1', ['id-1', 'id-3']],
      ['t:P:b.1', ['id-2']],
    ]);
    expect(sum.returned).toBe(1);
    outbox.close();
  });

  it('do so whatever the answer is', async () => {
    const { outbox, left } = setUpQuiet();
    outbox.reply('a.1', refusalFrame('id', 0, new CloudsOverloadedError('full')));
    expect((await left()).quiet).toHaveLength(1);
    outbox.point(service('sum'));
    expect((await left()).quiet).toHaveLength(1);
    outbox.close();
  });

  it('do so only while Redis lets us', async () => {
    const { redis, reply, left } = setUpQuiet();
    redis.canBeQuiet = false;
    reply('a.1', 'id-1');
    const { answered, quiet } = await left();
    expect(answered.flatMap(idsOf)).toEqual(['id-1']);
    expect(quiet).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each<[string, (set: ReturnType<typeof setUpQuiet>) => void]>([
    ['the value of a stream', ({ stream }) => stream('c.1', 'stream')],
    ['a cancel', ({ outbox }) => outbox.cancel('a.1', 'id')],
    ['an ask', ({ outbox }) => outbox.ask('a.1', 'id')],
    ['the end of a membership', ({ outbox }) => outbox.removeMember('sum')],
  ])('do not if %s leaves with them, and do again in the next turn', async (_, act) => {
    const set = setUpQuiet();
    const { outbox, reply, left } = set;
    reply('a.1', 'id-1');
    act(set);
    outbox.point(service('sum'));
    const first = await left();
    expect(first.quiet).toEqual([]);
    expect(first.answered).toHaveLength(3);
    reply('a.1', 'id-2');
    const second = await left();
    expect(second.answered).toEqual([]);
    expect(second.quiet.flatMap(idsOf)).toEqual(['id-2']);
    outbox.close();
  });

  it('do though others wait for room at their receiver', async () => {
    const { flow, outbox, reply, left } = setUpQuiet();
    for (const id of ['a', 'b']) reply('a.1', id, `"${'x'.repeat(3 * MEBIBYTE)}"`);
    reply('b.1', 'first');
    await left();
    reply('b.1', 'other');
    expect((await left()).quiet.flatMap(idsOf)).toEqual(['other']);
    flow.clear();
    outbox.close();
  });

  it('do not while the value of a stream waits for room at its receiver', async () => {
    const { flow, outbox, reply, left } = setUpQuiet();
    reply('a.1', 'a', `"${'x'.repeat(3 * MEBIBYTE)}"`);
    outbox.value('a.1', valueFrame('stream', 0, `"${'x'.repeat(3 * MEBIBYTE)}"`));
    reply('b.1', 'first');
    await left();
    reply('b.1', 'other');
    expect((await left()).answered.flatMap(idsOf)).toEqual(['other']);
    flow.clear();
    outbox.close();
  });

  it('do with how much was read of long messages', async () => {
    const { outbox, reply, left } = setUpQuiet();
    outbox.received('a.1', 70_000);
    reply('b.1', 'id');
    const { answered, quiet } = await left();
    expect(answered).toEqual([]);
    expect(quiet).toHaveLength(2);
    outbox.close();
  });

  it('are kept as unclaimed when the caller is found to be gone', async () => {
    const { redis, keeper, unclaimed, reply, left } = setUpQuiet('t:P:gone.1');
    const kept = vi.spyOn(keeper, 'keepUnclaimed');
    reply('gone.1', 'id-1', '"kept"');
    reply('here.1', 'id-2');
    await left();
    expect(keeper.find('id-1')).toBe(resultFrame('id-1', '"kept"'));
    expect(kept).not.toHaveBeenCalled();
    await pass(100);
    expect(redis.takeCommands()).toEqual([['pubsub', 'numsub', 't:P:gone.1', 't:P:here.1']]);
    expect(kept.mock.calls.map(([message]) => message.text())).toEqual([
      expect.stringContaining('id-1'),
    ]);
    expect(unclaimed).toEqual([]);
  });

  it('are not lost with the recent ones when they are many', async () => {
    const { keeper, outbox, reply, left } = setUpQuiet('t:P:gone.1');
    for (let turns = 0; turns < 5; turns++) {
      for (let i = 0; i < 1024; i++) reply('gone.1', `id-${turns}-${i}`);
      await left();
    }
    for (let turns = 0; turns < 5; turns++) {
      for (const i of [0, 500, 1023]) expect(keeper.find(`id-${turns}-${i}`)).toBeDefined();
    }
    outbox.close();
  });

  it('are asked about when they are 2,048', async () => {
    const { redis, outbox, reply } = setUpQuiet();
    for (let i = 0; i < 2048; i++) reply(`caller-${i % 3}.1`, `id-${i}`);
    await turn();
    expect(redis.takeCommands()).toEqual([
      ['pubsub', 'numsub', 't:P:caller-0.1', 't:P:caller-1.1', 't:P:caller-2.1'],
    ]);
    expect(vi.getTimerCount()).toBe(0);
    outbox.close();
  });

  it('are all kept when the connection is cut before it is known', async () => {
    const { redis, keeper, reply, left } = setUpQuiet();
    const kept = vi.spyOn(keeper, 'keepUnclaimed');
    reply('a.1', 'id-1');
    reply('b.1', 'id-2');
    await left();
    redis.cutPipelines();
    redis.canBeQuiet = redis.isUp = false;
    await pass(100);
    expect(kept).toHaveBeenCalledTimes(2);
  });

  it('are flushed when it is known who got them', async () => {
    const { redis, keeper, outbox, reply } = setUpQuiet('t:P:gone.1');
    const kept = vi.spyOn(keeper, 'keepUnclaimed');
    let answer!: (value?: unknown) => void;
    redis.pipelineHeld = new Promise((resolve) => (answer = resolve));
    reply('gone.1', 'id');
    let isFlushed = false;
    const flushed = outbox.flushed().then(() => (isFlushed = true));
    expect(redis.takeQuiet()).toHaveLength(1);
    expect(redis.takeCommands()).toEqual([['pubsub', 'numsub', 't:P:gone.1']]);
    await turn();
    expect(isFlushed).toBe(false);
    answer();
    await flushed;
    expect(kept).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leave no timer when the outbox is closed', async () => {
    const { redis, outbox, reply, left } = setUpQuiet();
    reply('a.1', 'id');
    await left();
    outbox.close();
    expect(vi.getTimerCount()).toBe(0);
    await pass(1000);
    expect(redis.takeCommands()).toEqual([]);
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
