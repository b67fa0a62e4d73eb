import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { IncomingRequest } from '../../lib/index.js';
import { FAST_BEAT, useCloud } from '../support/cloud.js';
import { gate, outcome, rejection, tally, timeOf, until, untilCancelled } from '../support/wait.js';

const cloud = useCloud();

type Handler = (data: never, request: IncomingRequest) => unknown;

async function servers(count: number, service: string, handler: Handler, options = {}) {
  const nodes = await Promise.all(
    Array.from({ length: count }, () => cloud.connected({ ...FAST_BEAT, ...options })),
  );
  for (const node of nodes) await node.register(service, handler);
  return nodes;
}

/** 40 calls at once: enough for every node to have some of each. */
function forty<T>(call: (index: number) => T): T[] {
  return Array.from({ length: 40 }, (_, index) => call(index));
}

describe('every score is base again when the fleet is silent after', () => {
  it('handlers that threw', async () => {
    const nodes = await servers(2, 'bad', () => {
      throw new Error('no');
    });
    const caller = await cloud.connected();
    expect(await tally(forty(() => caller.send('bad')))).toEqual({ no: 40 });
    await cloud.silence('bad', nodes);
  });

  it('timeouts, of handlers that heed the signal and of those that do not', async () => {
    const nodes = await servers(2, 'slow', (heeds: boolean, request) =>
      heeds ? untilCancelled(request) : delay(150),
    );
    const caller = await cloud.connected();
    const calls = forty((index) => caller.send('slow', index % 2 === 0, { timeout: 50 }));
    expect(await tally(calls)).toEqual({ CLOUDS_TIMEOUT: 40 });
    await cloud.silence('slow', nodes);
  });

  it('cancels', async () => {
    const nodes = await servers(2, 'slow', (_: never, request) => untilCancelled(request));
    const caller = await cloud.connected();
    const sink = { value: () => {}, end: () => {}, error: () => {} };
    const cancels = forty(() => caller.request('slow', 1, {}, sink));
    await until('all run', () => nodes.every((node) => node.stats.running === 20));
    for (const cancel of cancels) cancel();
    await cloud.silence('slow', nodes);
    expect(nodes.map((node) => node.stats.running)).toEqual([0, 0]);
  });

  it('cancels that overtake the dispatch', async () => {
    const nodes = await servers(2, 'quick', () => 1);
    const caller = await cloud.connected();
    const sink = { value: () => {}, end: () => {}, error: () => {} };
    for (const cancel of forty(() => caller.request('quick', 1, {}, sink))) cancel();
    const cancels = forty(() => caller.request('quick', 1, {}, sink));
    await new Promise(setImmediate);
    for (const cancel of cancels) cancel();
    await caller.send('quick');
    await cloud.silence('quick', nodes);
    expect(caller.stats.inFlight).toBe(0);
  });

  it('one-way requests, also those that fail', async () => {
    const nodes = await servers(2, 'event', async (fails: boolean) => {
      await delay(20);
      if (fails) throw new Error('nobody hears this');
    });
    const caller = await cloud.connected();
    await Promise.all(forty((index) => caller.emit('event', index % 2 === 0)));
    await cloud.silence('event', nodes);
    expect(nodes.map((node) => node.stats.handled)).toEqual([20, 20]);
  });

  it('streams, whole, broken and cancelled', async () => {
    const nodes = await servers(2, 'numbers', async function* (kind: number) {
      for (let i = 0; i < 5; i++) {
        yield i;
        await delay(5);
      }
      if (kind === 1) throw new Error('broken');
    });
    const caller = await cloud.connected();
    const calls = forty((index) => caller.send('numbers', index % 2));
    const cancels = forty(() =>
      caller.request('numbers', 0, {}, { value: () => {}, end: () => {}, error: () => {} }),
    );
    await delay(10);
    for (const cancel of cancels) cancel();
    expect(await tally(calls)).toEqual({ ok: 20, broken: 20 });
    await cloud.silence('numbers', nodes);
  });

  it('requests that expired on the way', async () => {
    const frozen = await cloud.child(FAST_BEAT);
    const caller = await cloud.connected();
    await caller.send('work');
    frozen.pause();
    const calls = forty(() => caller.send('work', { key: 'late' }, { timeout: 100 }));
    expect(await tally(calls)).toEqual({ CLOUDS_TIMEOUT: 40 });
    frozen.resume();
    await cloud.silence('work', [frozen]);
    expect(frozen.runs.filter(({ key }) => key === 'late')).toEqual([]);
  });

  it('calls that moved from node to node', async () => {
    const nodes = await servers(3, 'slow', (_: never, request) =>
      request.attempt === 3 ? 'third' : untilCancelled(request),
    );
    const caller = await cloud.connected();
    expect(await tally(forty(() => caller.pemit(3, 'slow', 1, { timeout: 100 })))).toEqual({
      ok: 40,
    });
    await cloud.silence('slow', nodes);
  });

  it('overload', async () => {
    const nodes = await servers(2, 'narrow', () => delay(20), { capacity: 3 });
    const caller = await cloud.connected();
    const counts = await tally(forty(() => caller.send('narrow')));
    expect(counts).toEqual({ ok: 6, CLOUDS_OVERLOADED: 34 });
    await cloud.silence('narrow', nodes, 3);
  });

  it('replies that could not be written', async () => {
    const nodes = await servers(2, 'circle', () => {
      const circle: Record<string, unknown> = {};
      return (circle.itself = circle);
    });
    const caller = await cloud.connected();
    expect(await tally(forty(() => caller.send('circle')))).toEqual({ CLOUDS_UNSERIALIZABLE: 40 });
    await cloud.silence('circle', nodes);
  });

  it('the death of the caller', async () => {
    const held = gate();
    const nodes = await servers(2, 'held', () => held.opened);
    const caller = cloud.program('caller.mjs');
    await caller.heard('ready');
    for (let i = 0; i < 10; i++) caller.tell({ service: 'held' });
    await until('all run', () => nodes.every((node) => node.stats.running === 5));
    await caller.kill();
    held.open();
    await cloud.silence('held', nodes);
  });

  it('the death of the caller of a stream: the node stops it', async () => {
    const [node] = await servers(1, 'ticks', async function* () {
      for (let i = 0; ; i++) {
        yield i;
        await delay(5);
      }
    });
    const caller = cloud.program('caller.mjs');
    await caller.heard('ready');
    caller.tell({ service: 'ticks' });
    await until('it runs', () => node!.stats.running === 1);
    await caller.kill();
    await cloud.silence('ticks', [node!]);
    expect(node!.stats.running).toBe(0);
  });

  it('handlers that settled while their node had no connection', async () => {
    const held = gate();
    const [node] = await servers(1, 'held', () => held.opened);
    const caller = await cloud.connected();
    const calls = forty(() => caller.send('held'));
    await until('all run', () => node!.stats.running === 40);
    await cloud.cut([node!]);
    await until('it is away', () => !node!.isConnected);
    held.open();
    expect(await tally(calls)).toEqual({ ok: 40 });
    await cloud.silence('held', [node!]);
  });

  it('calls of a node to itself', async () => {
    const [node] = await servers(1, 'inner', () => 1);
    await node!.register('outer', () => node!.send('inner'));
    expect(await tally(forty(() => node!.send('outer')))).toEqual({ ok: 40 });
    await cloud.silence('inner', [node!]);
    await cloud.silence('outer', [node!]);
  });
});

describe('a score that is wrong', () => {
  it.each([7, -7, 0.5])('by %d is mended by the next beats, while calls go on', async (error) => {
    const nodes = await servers(2, 'work', () => delay(5));
    const caller = await cloud.connected();
    const [member] = await cloud.members('work');
    await cloud.admin.zincrby(cloud.keys.service('work'), error, member!);
    for (let i = 0; i < 10; i++) await Promise.all([caller.send('work'), caller.send('work')]);
    await cloud.silence('work', nodes);
  });

  it('is mended within two beats', async () => {
    const [node] = await servers(1, 'work', () => 1, { heartbeatInterval: 300 });
    await cloud.admin.zincrby(cloud.keys.service('work'), -500, `${node!.id}.1`);
    expect(await timeOf(cloud.silence('work', [node!]))).toBeLessThan(1100);
  });

  it('is mended to what is free while handlers run', async () => {
    const held = gate();
    const [node] = await servers(1, 'held', () => held.opened);
    const caller = await cloud.connected();
    const calls = [caller.send('held'), caller.send('held'), caller.send('held')];
    await until('they run', () => node!.stats.running === 3);
    await cloud.admin.zincrby(cloud.keys.service('held'), 100, `${node!.id}.1`);
    await cloud.silence('held', [node!], 997);
    held.open();
    await Promise.all(calls);
    await cloud.silence('held', [node!]);
  });
});

describe('a member that somebody took out', () => {
  it('is back with the next beat', async () => {
    const nodes = await servers(2, 'work', () => 1);
    await cloud.admin.del(cloud.keys.service('work'));
    await cloud.silence('work', nodes);
  });

  it('is back with what it has free, and ends at base', async () => {
    const held = gate();
    const [node] = await servers(1, 'held', () => held.opened);
    const caller = await cloud.connected();
    const calls = [caller.send('held'), caller.send('held')];
    await until('they run', () => node!.stats.running === 2);
    await cloud.admin.del(cloud.keys.service('held'));
    await cloud.silence('held', [node!], 998);
    held.open();
    await Promise.all(calls);
    await cloud.silence('held', [node!]);
  });

  it('is not brought back by a point that comes late', async () => {
    const held = gate();
    const slow = { heartbeatInterval: 60_000 };
    const [node] = await servers(1, 'held', () => held.opened, slow);
    const caller = await cloud.connected();
    const call = caller.send('held');
    await until('it runs', () => node!.stats.running === 1);
    await cloud.admin.del(cloud.keys.service('held'));
    held.open();
    await call;
    await node!.register('other', () => 1);
    await caller.send('other');

    expect(await cloud.members('held')).toEqual([]);
  });
});

describe('a service that is registered', () => {
  it('while calls run gets a full score of its own', async () => {
    const held = gate();
    const [node] = await servers(1, 'held', () => held.opened);
    const caller = await cloud.connected();
    const calls = forty(() => caller.send('held'));
    await until('they run', () => node!.stats.running === 40);
    await node!.register('late', () => 1);
    expect(await cloud.scores('late')).toEqual({ [node!.id]: 1000 });
    held.open();
    await Promise.all(calls);
    await cloud.silence('held', [node!]);
  });

  it('again, while calls of its first time run, ends at base', async () => {
    const held = gate();
    const [node] = await servers(1, 'held', () => held.opened);
    const caller = await cloud.connected();
    const calls = forty(() => caller.send('held'));
    await until('they run', () => node!.stats.running === 40);
    await node!.unregister('held');
    await node!.register('held', () => 'second');
    expect(await caller.send('held')).toBe('second');
    held.open();
    expect(await tally(calls)).toEqual({ ok: 40 });
    await cloud.silence('held', [node!]);
  });

  it('twice on one node is refused', async () => {
    const [node] = await servers(1, 'work', () => 1);
    expect(await outcome(node!.register('work', () => 2))).toBe('CLOUDS_BAD_OPTIONS');
    expect(await rejection(node!.register('', () => 2))).toMatchObject({ code: 'CLOUDS_BAD_NAME' });
  });

  it('before connect() is there when connect() has resolved', async () => {
    const node = cloud.node();
    await node.register('early', () => 'here');
    await node.connect();
    expect(await cloud.scores('early')).toEqual({ [node.id]: 1000 });
  });
});
