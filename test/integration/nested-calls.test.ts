import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type CallOptions, CloudsCancelledError, type IncomingRequest } from '../../lib/index.js';
import { messages } from '../../lib/common/messages.js';
import { useCloud } from '../support/cloud.js';
import { gate, outcome, rejection, until, untilCancelled } from '../support/wait.js';

const cloud = useCloud();

/** Three nodes: `front` calls `middle`, that calls `back`, and so on; the fourth node calls the first. */
async function chain(
  back: (data: never, request: IncomingRequest) => unknown,
  options: { front?: CallOptions; middle?: CallOptions } = {},
) {
  const connected = () => cloud.connected();
  const nodes = await Promise.all([connected(), connected(), connected()]);
  const caller = await connected();
  const requests: Record<string, IncomingRequest> = {};
  const [first, second, third] = nodes;
  await first.register('front', (data, request) => {
    requests.front = request;
    return first.send('middle', data, options.front);
  });
  await second.register('middle', async (data, request) => {
    requests.middle = request;
    await delay(1);
    return second.send('back', data, options.middle);
  });
  await third.register('back', (data, request) => {
    requests.back = request;
    return back(data, request);
  });
  return { caller, nodes, requests };
}

describe('a chain of three services', () => {
  it('shares one deadline and one set of metadata', async () => {
    const { caller, requests } = await chain(() => 'done');
    const headers = { 'x-request-id': 'a1', lang: 'en' };
    expect(await caller.send('front', 1, { timeout: 5000, headers })).toBe('done');
    const { front, middle, back } = requests;
    expect(front!.deadline - Date.now()).toBeLessThanOrEqual(5000);
    // The clocks of nodes are told from the arrival of messages, to some ms.
    for (const request of [middle!, back!]) {
      expect(Math.abs(request.deadline - front!.deadline)).toBeLessThan(200);
      expect(request.metadata).toEqual(headers);
    }
  });

  it('is told by a service with headers of its own in addition, and in place', async () => {
    const { caller, requests } = await chain(() => 'done', {
      middle: { headers: { lang: 'fr', step: '2' } },
    });
    await caller.send('front', 1, { headers: { id: 'a1', lang: 'en' } });
    expect(requests.back!.metadata).toEqual({ id: 'a1', lang: 'fr', step: '2' });
  });

  it('keeps the shorter time of a service that is in more of a hurry', async () => {
    const { caller, requests } = await chain(() => 'done', { middle: { timeout: 500 } });
    await caller.send('front', 1, { timeout: 5000 });
    expect(requests.back!.deadline - Date.now()).toBeLessThanOrEqual(500);
  });

  it('is cancelled to its end when the caller gives up', async () => {
    const { caller, requests } = await chain((_, request) => untilCancelled(request));
    const sink = { value: () => undefined, end: () => undefined, error: () => undefined };
    const cancel = caller.request('front', 1, {}, sink);
    await until('the last runs', () => requests.back !== undefined);
    cancel();
    await until('the last is cancelled', () => requests.back!.isCancelled);
    expect(requests.back!.signal.reason).toBeInstanceOf(CloudsCancelledError);
  });

  it('is cancelled to its end when the time is over', async () => {
    const { caller, requests } = await chain((_, request) => untilCancelled(request));
    expect(await outcome(caller.send('front', 1, { timeout: 300 }))).toBe('CLOUDS_TIMEOUT');
    await until('the last is cancelled', () => requests.back!.isCancelled);
  });
});

describe('a call in a handler', () => {
  async function setUp(handler: (data: unknown, request: IncomingRequest) => unknown) {
    const [node, caller] = await Promise.all([cloud.connected(), cloud.connected()]);
    const reached: IncomingRequest[] = [];
    await node.register('front', handler);
    await node.register('back', (_: never, request) => void reached.push(request));
    return { node, caller, reached };
  }

  it('is not sent when the request has no time left', async () => {
    const failed = gate<Error & { code?: string }>();
    const { node, caller, reached } = await setUp(async () => {
      const end = performance.now() + 100;
      while (performance.now() < end);
      failed.open(await rejection(node.send('back')));
    });
    await outcome(caller.send('front', 1, { timeout: 100 }));
    const { code, message } = await failed.opened;
    expect(['CLOUDS_EXPIRED', 'CLOUDS_CANCELLED']).toContain(code);
    if (code === 'CLOUDS_EXPIRED') expect(message).toBe(messages.noTimeLeft('back', 'front'));
    expect(reached).toEqual([]);
  });

  it('is not sent when the request was cancelled', async () => {
    const failed = gate<Error & { code?: string }>();
    const { node, caller, reached } = await setUp(async (_, request) => {
      await untilCancelled(request).catch(() => undefined);
      failed.open(await rejection(node.send('back')));
    });
    await outcome(caller.send('front', 1, { timeout: 100 }));
    const { code, message } = await failed.opened;
    expect(code).toBe('CLOUDS_CANCELLED');
    expect(message).toBe(messages.cancelledWith('back', 'front'));
    expect(reached).toEqual([]);
  });

  it('goes on after the request when it is detached, with its metadata', async () => {
    const { node, caller, reached } = await setUp(async (_, request) => {
      await untilCancelled(request).catch(() => undefined);
      await node.send('back', 1, { detached: true });
    });
    await outcome(caller.send('front', 1, { timeout: 100, headers: { id: 'a1' } }));
    await until('it is there', () => reached.length > 0);
    expect(reached[0]!.metadata).toEqual({ id: 'a1' });
    expect(reached[0]!.deadline - Date.now()).toBeGreaterThan(10_000);
  });

  it('goes on after the request when it is one-way, with its metadata', async () => {
    const { node, caller, reached } = await setUp(async (_, request) => {
      await untilCancelled(request).catch(() => undefined);
      await node.emit('back', 1);
    });
    await outcome(caller.send('front', 1, { timeout: 100, headers: { id: 'a1' } }));
    await until('it is there', () => reached.length > 0);
    expect(reached[0]).toMatchObject({ isOneWay: true, metadata: { id: 'a1' } });
  });

  it('has an event published to groups take its metadata along, and its own time', async () => {
    const node = await cloud.connected();
    const taken: IncomingRequest[] = [];
    await node.subscribe('told.*', (_, request) => void taken.push(request));
    await node.register('front', () => node.publish('told.one', 1));
    await node.send('front', 1, { timeout: 2000, headers: { id: 'a1' } });
    await until('it is taken', () => taken.length === 1);
    expect(taken[0]!.metadata).toEqual({ id: 'a1' });
    expect(taken[0]!.deadline - Date.now()).toBeGreaterThan(10_000);
  });

  it('has its own time when the request is an event, for which nobody waits', async () => {
    const { node, caller, reached } = await setUp(() => node.send('back'));
    await caller.emit('front', 1, { timeout: 1000, headers: { id: 'a1' } });
    await until('it is there', () => reached.length > 0);
    expect(reached[0]!.deadline - Date.now()).toBeGreaterThan(10_000);
    expect(reached[0]!.metadata).toEqual({ id: 'a1' });
  });

  it('has its own time once the request streams', async () => {
    const { node, caller, reached } = await setUp(async function* () {
      yield 1;
      await node.send('back');
    });
    await caller.send('front', 1, { timeout: 1000 });
    expect(reached[0]!.deadline - Date.now()).toBeGreaterThan(10_000);
  });

  it('has its own time once the request is answered', async () => {
    const answered = gate();
    const { node, caller, reached } = await setUp(() => {
      void answered.opened.then(() => node.send('back'));
      return 'done';
    });
    await caller.send('front', 1, { timeout: 1000 });
    answered.open();
    await until('it is there', () => reached.length > 0);
    expect(reached[0]!.deadline - Date.now()).toBeGreaterThan(10_000);
  });

  it('takes over nothing of other requests that are handled at the same time', async () => {
    const { node, caller, reached } = await setUp(async () => {
      await delay(5);
      await node.send('back');
    });
    const ids = Array.from({ length: 20 }, (_, id) => String(id));
    await Promise.all(ids.map((id) => caller.send('front', 1, { headers: { id } })));
    const seen = reached.map(({ metadata }) => Number(metadata!.id)).sort((a, b) => a - b);
    expect(seen.map(String)).toEqual(ids);
  });

  it('has its outcome told within the request, so that what follows is a part of it too', async () => {
    const { node, caller, reached } = await setUp(
      () =>
        new Promise((resolve, reject) => {
          const then = (next: () => void) => ({ value: next, end: next, error: reject });
          node.request(
            'back',
            1,
            {},
            then(() =>
              node.request(
                'back',
                2,
                {},
                then(() => resolve(1)),
              ),
            ),
          );
        }),
    );
    await caller.send('front', 1, { headers: { id: 'a1' } });
    expect(reached.map(({ metadata }) => metadata)).toEqual([{ id: 'a1' }, { id: 'a1' }]);
  });

  it('does not leave its request to the node that connects for it', async () => {
    const connected = cloud.node();
    const { caller, reached } = await setUp(() => connected.send('back'));
    await caller.send('front', 1, { headers: { id: 'a1' } });
    const ask = (data: number, end: () => void) =>
      connected.request('back', data, {}, { value: end, end, error: end });
    await new Promise<void>((resolve) => ask(2, () => ask(3, resolve)));
    expect(reached.map(({ metadata }) => metadata)).toEqual([{ id: 'a1' }, undefined, undefined]);
  });
});
