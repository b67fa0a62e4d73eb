import { describe, expect, it, vi } from 'vitest';
import { Heartbeat } from '../../../lib/node/heartbeat.js';
import { Outbox } from '../../../lib/node/outbox.js';
import { FlowControl } from '../../../lib/node/flow-control.js';
import { RedisClock } from '../../../lib/node/redis-clock.js';
import { Registration, Registry } from '../../../lib/node/registry.js';
import { ReplyKeeper } from '../../../lib/node/reply-keeper.js';
import { Signer } from '../../../lib/protocol/signer.js';
import { Keys } from '../../../lib/protocol/keys.js';
import { pass, turn, useFakeClock } from '../fakes/clock.js';
import { FakeRedis, only } from '../fakes/redis.js';

const BEAT_MS = 1000;
/** A beat comes up to a tenth early or late. */
const LATEST_BEAT_MS = 1.1 * BEAT_MS;
const BASE = 1000;

/** A heartbeat of a node that serves `sum`, and a model of the node's score in Redis. */
function setUp() {
  const redis = new FakeRedis();
  const keys = new Keys('t:');
  const registry = new Registry();
  const sum = new Registration('sum', () => undefined, BASE, undefined);
  registry.add(sum);
  const identity = { nodeId: 'node', incarnation: 'node.1', predecessors: [], inbox: 't:P:node.1' };
  const outbox = new Outbox(
    redis,
    keys,
    identity,
    new Signer('t:'),
    new ReplyKeeper(),
    new FlowControl(() => undefined),
    {
      onUnclaimed: () => undefined,
      onError: () => undefined,
    },
  );
  const told = { deaf: 0, beats: 0, errors: [] as string[] };
  const heartbeat = new Heartbeat(
    redis,
    keys,
    identity,
    registry,
    outbox,
    new RedisClock(),
    { intervalMs: BEAT_MS, entryTtlMs: 3 * BEAT_MS },
    {
      entry: () => '{"incarnation":"node.1"}',
      seal: (beat) => beat,
      onDeaf: () => void told.deaf++,
      onBeat: () => void told.beats++,
      onError: ({ message }) => void told.errors.push(message),
    },
  );
  const score = { sum: BASE };
  redis.reply = ([name, , , , count]) => {
    if (name === 'zadd') score.sum += Number(count);
    return 1;
  };
  /** Answers the beats that are out as Redis does: each with the score as it is now. */
  const probes = () =>
    redis.takeScripts('beat').map((script) => {
      script.answer(1);
      return { kind: 'p' as const, redisMs: 0, beat: Number(script.args[4]), scores: [score.sum] };
    });
  const probe = () => probes().forEach((one) => heartbeat.onProbe(one));
  return { redis, registry, sum, outbox, heartbeat, told, score, probes, probe };
}

useFakeClock();

describe('a beat', () => {
  it('is sent at once, and then once an interval, a little sooner or later', async () => {
    const { heartbeat, redis, told, probe } = setUp();
    heartbeat.start();
    expect(redis.takeScripts('beat')).toHaveLength(1);
    const times: number[] = [];
    for (let i = 0; i < 1000; i++) {
      await pass(100);
      if (told.beats > times.length + 1) times.push(performance.now());
      probe();
    }
    expect(times.length).toBeGreaterThanOrEqual(90);
    expect(times.length).toBeLessThanOrEqual(112);
    heartbeat.stop();
  });

  it('carries what the script needs: the entry, and the sets with what is free', () => {
    const { heartbeat, redis, registry, sum } = setUp();
    sum.taken = 5;
    sum.returned = 2;
    registry.add(new Registration('limited', () => undefined, BASE, 7));
    const leaving = new Registration('leaving', () => undefined, BASE, undefined);
    leaving.isLeaving = true;
    registry.add(leaving);
    heartbeat.start();
    const { keys, args } = only(redis.takeScripts('beat'));
    expect(keys).toEqual(['t:N:node', 't:E', 't:S:sum', 't:S:limited']);
    expect(args).toEqual([
      'node.1',
      't:P:node.1',
      '{"incarnation":"node.1"}',
      3000,
      1,
      '',
      997,
      '',
      '!',
      7,
      '',
    ]);
    heartbeat.stop();
  });

  it('leaves no timer behind when it is stopped', () => {
    const { heartbeat } = setUp();
    heartbeat.start();
    heartbeat.start();
    heartbeat.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('reports what Redis refuses, and goes on', async () => {
    const { heartbeat, redis, told } = setUp();
    heartbeat.start();
    only(redis.takeScripts()).refuse('OOM command not allowed');
    await pass(LATEST_BEAT_MS);
    expect(told).toMatchObject({ errors: ['OOM command not allowed'], beats: 2 });
    heartbeat.stop();
  });

  it('does not report a cut connection, which the link sees itself', async () => {
    const { heartbeat, redis, told } = setUp();
    heartbeat.start();
    only(redis.takeScripts()).cut();
    await turn();
    expect(told.errors).toEqual([]);
    heartbeat.stop();
  });
});

describe('a node that does not hear', () => {
  it('knows it from Redis, when its inbox has no subscriber', async () => {
    const { heartbeat, redis, told } = setUp();
    heartbeat.start();
    only(redis.takeScripts()).answer(0);
    await turn();
    expect(told.deaf).toBe(1);
    heartbeat.stop();
  });

  it('knows it when three beats in a row are not heard, and not sooner', async () => {
    const { heartbeat, redis, told } = setUp();
    heartbeat.start();
    while (told.beats < 3) await pass(10);
    await pass(0.85 * BEAT_MS);
    expect(told.deaf).toBe(0);
    await pass(0.3 * BEAT_MS);
    expect(told).toMatchObject({ deaf: 1, beats: 3 });
    expect(redis.takeScripts('beat')).toHaveLength(3);
    heartbeat.stop();
  });

  it('is not one that hears the last of three', async () => {
    const { heartbeat, told, probes } = setUp();
    heartbeat.start();
    for (let i = 0; i < 20; i++) {
      await pass(2.5 * BEAT_MS);
      heartbeat.onProbe(probes().at(-1)!);
    }
    expect(told.deaf).toBe(0);
    heartbeat.stop();
  });

  it('is not one whose beats Redis refuses: the connection lives', async () => {
    const { heartbeat, redis, told } = setUp();
    heartbeat.start();
    while (told.beats < 6) {
      for (const script of redis.takeScripts('beat')) script.refuse('OOM command not allowed');
      await pass(BEAT_MS / 10);
    }
    expect(told.deaf).toBe(0);
    heartbeat.stop();
  });

  it('is not one that was held up: the probe may be there, and is read first', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const { heartbeat, told, probe } = setUp();
    heartbeat.start();
    await pass(2 * BEAT_MS);
    expect(told.beats).toBe(3);
    // In the turn in which the node would find itself deaf, its timer comes first and the socket after it.
    setTimeout(probe, BEAT_MS);
    await pass(BEAT_MS);
    await turn();
    expect(told).toMatchObject({ deaf: 0, beats: 4 });
    heartbeat.stop();
  });

  it('starts to count anew when it is started anew', async () => {
    const { heartbeat, told } = setUp();
    for (let i = 0; i < 5; i++) {
      heartbeat.start();
      await pass(2 * BEAT_MS);
    }
    expect(told.deaf).toBe(0);
    heartbeat.stop();
  });
});

describe('the audit', () => {
  const audited = async ({ heartbeat, probe }: ReturnType<typeof setUp>) => {
    probe();
    await turn();
    heartbeat.stop();
  };

  it('leaves alone a score that is right', async () => {
    const node = setUp();
    Object.assign(node.sum, { taken: 9, returned: 4 });
    node.score.sum = 995;
    node.heartbeat.start();
    await audited(node);
    expect(node.redis.takeCommands()).toEqual([]);
  });

  it.each([
    ['points that were lost', 990],
    ['points that were given twice', 1003],
    ['a score that somebody changed', 0],
  ])('mends %s', async (_, wrong) => {
    const node = setUp();
    node.score.sum = wrong;
    node.heartbeat.start();
    await audited(node);
    expect(node.score.sum).toBe(BASE);
    expect(node.sum).toMatchObject({ taken: 0, returned: 0 });
  });

  it('takes what is dispatched after the beat for what it is: not there yet', async () => {
    const { heartbeat, redis, sum, score, probes } = setUp();
    heartbeat.start();
    const sent = probes();
    score.sum -= 5;
    sent.forEach((one) => heartbeat.onProbe(one));
    sum.taken += 5;
    await turn();
    expect(redis.takeCommands()).toEqual([]);
    heartbeat.stop();
  });

  it('takes points that were returned after the beat for what they are', async () => {
    const { heartbeat, sum, outbox, score, probes } = setUp();
    Object.assign(sum, { taken: 5 });
    score.sum = BASE - 5;
    heartbeat.start();
    const sent = probes();
    outbox.point(sum, 3);
    await turn();
    sent.forEach((one) => heartbeat.onProbe(one));
    await turn();
    expect(score.sum).toBe(BASE - 2);
    expect(sum.returned).toBe(3);
    heartbeat.stop();
  });

  it('ignores a probe that it did not send, or that is older than one it has heard', async () => {
    const { heartbeat, redis, score, probes } = setUp();
    heartbeat.start();
    await pass(LATEST_BEAT_MS);
    const [older, newer] = probes();
    heartbeat.onProbe(newer!);
    score.sum = 1;
    heartbeat.onProbe({ ...older!, scores: [1] });
    heartbeat.onProbe({ ...newer!, scores: [1] });
    heartbeat.onProbe({ ...newer!, beat: 99, scores: [1] });
    await turn();
    expect(redis.takeCommands()).toEqual([]);
    heartbeat.stop();
  });

  it('ignores scores of a service that was left, or registered anew, since the beat', async () => {
    const { heartbeat, redis, registry, sum, probes } = setUp();
    heartbeat.start();
    const [sent] = probes();
    registry.remove(sum);
    registry.add(new Registration('sum', () => undefined, BASE, undefined));
    heartbeat.onProbe({ ...sent!, scores: [1] });
    await turn();
    expect(redis.takeCommands()).toEqual([]);
    heartbeat.stop();
  });

  it('mends an error for good though every probe takes longer than two beats', async () => {
    const { heartbeat, score, told, probes } = setUp();
    score.sum = 990;
    heartbeat.start();
    const onTheWay: ReturnType<typeof probes>[] = [];
    while (told.beats < 40) {
      const sent = probes();
      if (sent.length > 0) onTheWay.push(sent);
      if (onTheWay.length > 2) onTheWay.shift()!.forEach((one) => heartbeat.onProbe(one));
      await pass(100);
    }
    expect(score.sum).toBe(BASE);
    expect(told.deaf).toBe(0);
    heartbeat.stop();
  });

  it('mends an error once that two beats on their way both show', async () => {
    const { heartbeat, score, probes } = setUp();
    score.sum = 990;
    heartbeat.start();
    await pass(LATEST_BEAT_MS);
    probes().forEach((one) => heartbeat.onProbe(one));
    await turn();
    expect(score.sum).toBe(BASE);
    heartbeat.stop();
  });
});
