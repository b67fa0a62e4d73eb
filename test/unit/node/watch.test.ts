import { describe, expect, it, vi } from 'vitest';
import { Watch } from '../../../lib/node/watch.js';
import { Keys } from '../../../lib/protocol/keys.js';
import { FakePath } from '../fakes/call.js';
import { pass, useFakeClock } from '../fakes/clock.js';
import { FakeRedis, redisError } from '../fakes/redis.js';

const RETURN_MS = 2000;
const SILENCE_MS = 1000;
const NODE = 'node.1';

/** A watch over calls that wait for one node; what Redis knows of it is in `node`. */
function setUp() {
  const redis = new FakeRedis();
  const path = new FakePath();
  const node = { subscribers: 1, entry: `{"incarnation":"${NODE}"}` as string | null };
  const calls = {
    inFlight: 1,
    waiting: new Map([[NODE, 0]]),
    lost: [] as string[],
    frozen: [] as string[],
    back: [] as [string, string][],
    waitedFor: () => calls.waiting,
    onNodeLost: (_: unknown, incarnation: string) => void calls.lost.push(incarnation),
    onNodeFrozen: (_: unknown, incarnation: string) => void calls.frozen.push(incarnation),
    onNodeBack: (_: unknown, incarnation: string, successor: string) =>
      void calls.back.push([incarnation, successor]),
  };
  redis.reply = ([name, ...args]) => {
    if (name === 'mget') return args.map(() => node.entry);
    return args
      .slice(1)
      .flatMap((channel) => [channel, channel === 't:P:other.1' ? 1 : node.subscribers]);
  };
  const refusals: string[] = [];
  const settings = { returnMs: RETURN_MS, silenceMs: SILENCE_MS };
  const watch = new Watch(redis, new Keys('t:'), path, calls, settings, ({ message }) =>
    refusals.push(message),
  );
  const outcome = () => ({ lost: calls.lost, frozen: calls.frozen, back: calls.back });
  return { redis, path, node, calls, watch, refusals, outcome };
}

const NOTHING = { lost: [], frozen: [], back: [] };

useFakeClock();

describe('the watch', () => {
  it('asks Redis about the nodes that calls wait for, several times a second', async () => {
    const { redis, watch, outcome } = setUp();
    watch.start();
    watch.start();
    await pass(1000);
    watch.stop();
    const pipelines = redis.takePipelines();
    expect(pipelines).toHaveLength(4);
    for (const commands of pipelines) {
      expect(commands).toEqual([
        ['pubsub', 'NUMSUB', 't:P:node.1'],
        ['mget', 't:N:node'],
      ]);
    }
    expect(outcome()).toEqual(NOTHING);
  });

  it('asks about 500 nodes at a time', async () => {
    const { redis, calls, watch } = setUp();
    calls.waiting = new Map(Array.from({ length: 1001 }, (_, i) => [`node-${i}.1`, 0]));
    watch.start();
    await pass(260);
    watch.stop();
    const sizes = redis.takePipelines().map(([, entries]) => entries!.length - 1);
    expect(sizes).toEqual([500, 500, 1]);
  });

  it('ends when no call is out, and begins again with the next', async () => {
    const { redis, calls, watch } = setUp();
    watch.start();
    await pass(260);
    calls.inFlight = 0;
    await pass(300);
    expect(vi.getTimerCount()).toBe(0);
    redis.takePipelines();
    calls.inFlight = 1;
    watch.start();
    await pass(260);
    expect(redis.takePipelines()).toHaveLength(1);
    watch.stop();
  });

  it('does not ask while nobody waits for a node, or Redis is away', async () => {
    const { redis, calls, watch } = setUp();
    redis.isUp = false;
    watch.start();
    await pass(1000);
    redis.isUp = true;
    calls.waiting = new Map();
    await pass(1000);
    expect(redis.takePipelines()).toEqual([]);
    watch.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends for good when it is stopped while it asks', async () => {
    const { redis, watch } = setUp();
    let answer!: (value?: unknown) => void;
    redis.pipelineHeld = new Promise((resolve) => (answer = resolve));
    watch.start();
    await pass(260);
    watch.stop();
    answer();
    await pass(1000);
    expect(vi.getTimerCount()).toBe(0);
    expect(redis.takePipelines()).toHaveLength(1);
  });
});

describe('a node without an inbox', () => {
  it('is lost when it stays away, within 700 ms', async () => {
    const { node, watch, calls } = setUp();
    watch.start();
    await pass(1000);
    node.subscribers = 0;
    await pass(300);
    expect(calls.lost).toEqual([]);
    await pass(400);
    watch.stop();
    expect(calls.lost).toContain(NODE);
  });

  it('is lost also when its entry has gone', async () => {
    const { node, watch, calls } = setUp();
    Object.assign(node, { subscribers: 0, entry: null });
    watch.start();
    await pass(800);
    watch.stop();
    expect(calls.lost).toContain(NODE);
  });

  it('is not lost when it comes back in the meantime', async () => {
    const { node, watch, outcome } = setUp();
    watch.start();
    for (let i = 0; i < 20; i++) {
      node.subscribers = 0;
      await pass(250);
      node.subscribers = 1;
      await pass(250);
    }
    watch.stop();
    expect(outcome()).toEqual(NOTHING);
  });

  it('is back when its entry names a new incarnation', async () => {
    const { node, watch, outcome } = setUp();
    Object.assign(node, { subscribers: 0, entry: '{"incarnation":"node.2","pid":1}' });
    watch.start();
    await pass(260);
    watch.stop();
    expect(outcome()).toEqual({ ...NOTHING, back: [[NODE, 'node.2']] });
  });

  it('has time to return when our own connection has just come back', async () => {
    const { path, calls, node, watch } = setUp();
    node.subscribers = 0;
    calls.waiting.set(NODE, performance.now());
    await pass(10);
    path.openedAt = performance.now();
    watch.start();
    await pass(RETURN_MS - 100);
    expect(calls.lost).toEqual([]);
    await pass(300);
    watch.stop();
    expect(calls.lost).toContain(NODE);
  });

  it('has no such time when it took a call after that', async () => {
    const { path, calls, node, watch } = setUp();
    path.openedAt = performance.now();
    await pass(10);
    calls.waiting.set(NODE, performance.now());
    node.subscribers = 0;
    watch.start();
    await pass(800);
    watch.stop();
    expect(calls.lost).toContain(NODE);
  });

  it('is not suspected any more when no call waits for it', async () => {
    const { node, calls, watch } = setUp();
    node.subscribers = 0;
    watch.start();
    await pass(260);
    calls.waiting = new Map([['other.1', 0]]);
    await pass(400);
    calls.waiting = new Map([[NODE, 0]]);
    await pass(260);
    expect(calls.lost).toEqual([]);
    watch.stop();
  });
});

describe('a node with an inbox and without an entry', () => {
  it('is frozen when its entry has been missing for a heartbeat', async () => {
    const { node, watch, outcome } = setUp();
    node.entry = null;
    watch.start();
    await pass(SILENCE_MS);
    expect(outcome()).toEqual(NOTHING);
    await pass(500);
    watch.stop();
    expect(outcome().frozen).toContain(NODE);
  });

  it('is not frozen if it has put its entry back by then', async () => {
    const { node, watch, outcome } = setUp();
    const { entry } = node;
    for (let i = 0; i < 5; i++) {
      node.entry = null;
      watch.start();
      await pass(SILENCE_MS - 300);
      node.entry = entry;
      await pass(500);
    }
    watch.stop();
    expect(outcome()).toEqual(NOTHING);
  });
});

describe('a question that fails', () => {
  it.each([
    ['is cut', (redis: FakeRedis) => redis.cutPipelines()],
    ['is refused', (redis: FakeRedis) => (redis.reply = () => redisError('NOPERM no'))],
  ])('because it %s says nothing about the nodes, and is asked again', async (_, fail) => {
    const { redis, node, watch, outcome } = setUp();
    node.subscribers = 0;
    fail(redis);
    watch.start();
    await pass(3000);
    watch.stop();
    expect(outcome()).toEqual(NOTHING);
    expect(redis.takePipelines().length).toBeGreaterThan(8);
  });

  it('is told once when it is refused, and again after it was answered', async () => {
    const { redis, watch, refusals } = setUp();
    const { reply } = redis;
    watch.start();
    for (let i = 0; i < 2; i++) {
      redis.reply = () => redisError('NOPERM no');
      await pass(1000);
      redis.reply = reply;
      await pass(1000);
    }
    watch.stop();
    expect(refusals).toEqual(['NOPERM no', 'NOPERM no']);
  });

  it('is not told when it is cut: the link does that', async () => {
    const { redis, watch, refusals } = setUp();
    redis.cutPipelines();
    watch.start();
    await pass(1000);
    watch.stop();
    expect(refusals).toEqual([]);
  });
});
