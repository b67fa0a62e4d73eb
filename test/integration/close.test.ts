import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { CloudsNode, IncomingRequest } from '../../lib/index.js';
import { FAST_BEAT, useCloud } from '../support/cloud.js';
import { outcome, rejection, tally, timeOf, until, untilCancelled } from '../support/wait.js';

const cloud = useCloud();

async function server(
  service: string,
  handler: (data: never, request: IncomingRequest) => unknown,
  options = {},
) {
  const node = await cloud.connected({ ...FAST_BEAT, ...options });
  await node.register(service, handler);
  return node;
}

async function sleepers(drainTimeout = 10_000) {
  const node = await server('slow', (ms: number) => delay(ms, `after ${ms}`), { drainTimeout });
  const caller = await cloud.connected();
  return { node, caller };
}

describe('close() while handlers run', () => {
  it('answers all of them first', async () => {
    const { node, caller } = await sleepers();
    const calls = Array.from({ length: 50 }, () => caller.send('slow', 200));
    await until('they run', () => node.stats.running === 50);
    expect(node.stats).toMatchObject({ isConnected: true, isDraining: false });

    const closed = node.close();
    expect(node.stats).toMatchObject({ isConnected: true, isDraining: true });
    await closed;

    expect(node.stats).toMatchObject({ isConnected: false, isDraining: false });
    expect(node.stats.running).toBe(0);
    expect(node.stats.handled).toBe(50);
    expect(await tally(calls)).toEqual({ ok: 50 });
  });

  it('runs what was dispatched before it left', async () => {
    const { node, caller } = await sleepers();
    const calls = Array.from({ length: 50 }, () => caller.send('slow', 20));
    await new Promise(setImmediate);
    const closed = node.close();

    const { ok = 0, CLOUDS_NO_NODE: none = 0 } = await tally(calls);
    expect(ok + none).toBe(50);
    await closed;
    expect(ok).toBe(node.stats.handled);
  });

  it('gets no new calls', async () => {
    const { node, caller } = await sleepers();
    const other = await server('slow', () => 'other');
    const call = caller.send('slow', 300);
    await until('it runs', () => node.stats.running + other.stats.handled === 1);
    if (node.stats.running === 0) await caller.send('slow', 300);
    const closed = node.close();
    await until('it has left', async () => !(node.id in (await cloud.scores('slow'))));

    expect(await Promise.all([1, 2, 3].map(() => caller.send('slow', 1)))).toEqual(
      Array(3).fill('other'),
    );
    await Promise.all([call, closed]);
  });

  it('keeps its entry until it is done, so that nobody takes it for frozen', async () => {
    const { node, caller } = await sleepers();
    const call = caller.pemit(3, 'slow', 600);
    await until('it runs', () => node.stats.running === 1);
    const rescuer = await server('slow', () => 'moved');
    const closed = node.close();

    expect(await call).toBe('after 600');
    await closed;
    expect(rescuer.stats.handled).toBe(0);
  });

  it('lets them make calls', async () => {
    const inner = await server('inner', () => 'inner');
    const outer = await cloud.connected();
    await outer.register('outer', async () => {
      await delay(100);
      return outer.send('inner');
    });
    const call = inner.send('outer');
    await until('it runs', () => outer.stats.running === 1);

    await outer.close();

    expect(await call).toBe('inner');
  });

  it('finishes one-way requests too', async () => {
    let finished = 0;
    const node = await server('event', async () => {
      await delay(100);
      finished++;
    });
    const caller = await cloud.connected();
    await Promise.all([1, 2, 3].map(() => caller.emit('event')));
    await until('they run', () => node.stats.running === 3);

    await node.close();

    expect(finished).toBe(3);
  });

  it('finishes streams', async () => {
    const node = await server('numbers', async function* () {
      for (let i = 0; i < 5; i++) {
        await delay(30);
        yield i;
      }
    });
    const caller = await cloud.connected();
    const values: unknown[] = [];
    const ended = new Promise<void>((resolve, reject) => {
      const sink = { value: (value: unknown) => values.push(value), end: resolve, error: reject };
      caller.request('numbers', 1, {}, sink);
    });
    await until('it runs', () => values.length > 0);

    await node.close();
    await ended;

    expect(values).toEqual([0, 1, 2, 3, 4]);
  });
});

describe('what runs longer than drainTimeout', () => {
  it('is cancelled, and its caller gets CLOUDS_CANCELLED', async () => {
    const { node, caller } = await sleepers(100);
    const call = rejection(caller.send('slow', 2000));
    await until('it runs', () => node.stats.running === 1);

    const ms = await timeOf(node.close());

    expect(await call).toMatchObject({ code: 'CLOUDS_CANCELLED', node: node.id });
    expect(ms).toBeLessThan(1100);
  });

  it('hears of it by its signal', async () => {
    const reasons: unknown[] = [];
    const node = await server(
      'slow',
      (_: never, request) => untilCancelled(request).catch((reason) => reasons.push(reason)),
      { drainTimeout: 50 },
    );
    const caller = await cloud.connected();
    const call = outcome(caller.send('slow'));
    await until('it runs', () => node.stats.running === 1);

    await node.close();

    expect(await call).toBe('CLOUDS_CANCELLED');
    expect(reasons).toMatchObject([{ code: 'CLOUDS_CANCELLED' }]);
  });

  it('is told to its caller even if the handler ends the request when it is cancelled', async () => {
    const node = await cloud.connected({ drainTimeout: 50 });
    await node.serve('slow', (request) => request.onCancel(() => request.end()));
    const caller = await cloud.connected();
    const call = outcome(caller.send('slow', 1, { timeout: 1000 }));
    await until('it runs', () => node.stats.running === 1);

    await node.close();

    expect(await call).toBe('CLOUDS_CANCELLED');
  });

  it('moves on if it is a pemit', async () => {
    const { node, caller } = await sleepers(50);
    const call = caller.pemit(2, 'slow', 5000);
    await until('it runs', () => node.stats.running === 1);
    await server('slow', (_: never, { attempt }) => `attempt ${attempt}`);

    await node.close();

    expect(await call).toBe('attempt 2');
  });
});

describe('close()', () => {
  it('may be called twice at once, again later, and before connect()', async () => {
    const { node } = await sleepers();
    let closed = 0;
    node.on('disconnected', () => closed++);

    await Promise.all([node.close(), node.close()]);
    await node.close();
    await cloud.node().close();

    expect(closed).toBe(1);
    expect(node.isConnected).toBe(false);
  });

  it('fails the calls that are out with CLOUDS_CLOSED, and their handlers are cancelled', async () => {
    const node = await server('slow', (_: never, request) => untilCancelled(request));
    const caller = await cloud.connected();
    const calls = tally([caller.send('slow'), caller.pemit(-1, 'slow'), caller.send('nobody')]);
    await until('they run', () => node.stats.running === 2);

    await caller.close();

    expect(await calls).toEqual({ CLOUDS_CLOSED: 3 });
    expect(caller.stats.inFlight).toBe(0);
    await cloud.silence('slow', [node]);
  });

  it('fails calls that are made while it disconnects', async () => {
    const caller = await cloud.connected();
    const closed = caller.close();
    await delay(0);
    const late = outcome(caller.send('slow', 1, { timeout: 300 }));

    await closed;
    expect(['CLOUDS_CLOSED', 'CLOUDS_NO_NODE']).toContain(await late);
  });

  it('leaves a node that can be connected again, as another incarnation', async () => {
    const { node, caller } = await sleepers();
    await caller.send('slow', 1);
    await node.close();
    expect(await cloud.members('slow')).toEqual([]);

    await node.connect();
    await node.register('slow', () => 'again');

    expect(await caller.send('slow', 1)).toBe('again');
    expect(await cloud.members('slow')).toEqual([`${node.id}.2`]);
    await caller.close();
    expect(await outcome(caller.send('slow', 1))).toBe('CLOUDS_CLOSED');
    await caller.connect();
    expect(await caller.send('slow', 1)).toBe('again');
  });

  it('leaves nothing behind while it connects, or after cuts in the middle of that', async () => {
    for (let i = 0; i < 20; i++) {
      const node = cloud.node();
      const registered = outcome(node.register('work', () => 1));
      await delay(i);
      await node.close();
      await registered;
    }
    const node = await cloud.connected();
    await node.register('work', () => 1);
    for (let i = 0; i < 5; i++) {
      await cloud.cut();
      await delay(130 + 3 * i);
    }
    await until('it is back', () => node.isConnected);
    await node.close();

    expect(await cloud.members('work')).toEqual([]);
  });

  it('sends the events that were emitted just before', async () => {
    const heard: unknown[] = [];
    const node = await cloud.connected();
    await node.register('heard', (data: unknown) => heard.push(data));
    const caller = await cloud.connected();
    const emitted = [1, 2, 3].map((data) => caller.emit('heard', data));
    await caller.close();

    await Promise.all(emitted);
    await until('they are heard', () => heard.length === 3);
  });

  it('refuses to serve more while it drains', async () => {
    const { node, caller } = await sleepers();
    const call = caller.send('slow', 200);
    await until('it runs', () => node.stats.running === 1);
    const closed = node.close();

    expect(await outcome(node.register('late', () => 1))).toBe('CLOUDS_CLOSED');
    await Promise.all([call, closed]);
    expect(await cloud.members('late')).toEqual([]);
  });

  it('waits for nobody who connects at the same time: connect() fails with CLOUDS_CLOSED', async () => {
    const node = cloud.node();
    const connecting = outcome(node.connect());

    await node.close();

    expect(await connecting).toBe('CLOUDS_CLOSED');
    await node.connect();
    expect(node.isConnected).toBe(true);
  });

  it('does not wait for a Redis that cannot be reached', async () => {
    const closedPort = net.createServer().listen(0, '127.0.0.1');
    await once(closedPort, 'listening');
    const { port } = closedPort.address() as net.AddressInfo;
    closedPort.close();
    const node = cloud.node({ redis: { port }, connectTimeout: 4000 });
    const connecting = outcome(node.connect());
    const call = outcome(node.send('work'));
    await delay(200);

    const ms = await timeOf(node.close());

    expect(await connecting).toBe('CLOUDS_CLOSED');
    expect(await call).toBe('CLOUDS_CLOSED');
    expect(ms).toBeLessThan(1000);
  });

  it('is followed by connect() in the order of the calls', async () => {
    const { node } = await sleepers();
    const closed = node.close();
    const connected = node.connect();

    await Promise.all([closed, connected]);

    expect(node.isConnected).toBe(true);
  });

  it.each([
    ['an idle node', false, ['CLOUDS_TIMEOUT']],
    ['a node with calls out', true, ['CLOUDS_TIMEOUT', 'CLOUDS_CLOSED']],
  ])('leaves nothing that keeps the process of %s alive', async (_, withCallsOut, codes) => {
    const options = cloud.options({ drainTimeout: 100 });
    const program = cloud.program('lifetime.mjs', { options, withCallsOut });

    expect(await program.heard('closed')).toEqual(codes);
    const closedAt = performance.now();
    expect(await program.ended).toEqual({ code: 0, signal: null });

    expect(performance.now() - closedAt).toBeLessThan(2000);
  });
});

describe('unregister()', () => {
  it('twice at once leaves a later registration alone', async () => {
    const { node, caller } = await sleepers();
    await Promise.all([node.unregister('slow'), node.unregister('slow')]);
    await node.register('slow', () => 'again');

    expect(await caller.send('slow', 1)).toBe('again');
    await node.unregister('slow');
    expect(await cloud.members('slow')).toEqual([]);
  });

  it('finishes what has arrived, and leaves the other services alone', async () => {
    const { node, caller } = await sleepers();
    await node.register('other', () => 'other');
    const call = caller.send('slow', 150);
    await until('it runs', () => node.stats.running === 1);

    await node.unregister('slow');

    expect(await cloud.members('slow')).toEqual([]);
    expect(node.stats.running).toBe(1);
    expect(await caller.send('other')).toBe('other');
    expect(await call).toBe('after 150');
    await cloud.silence('other', [node]);
  });

  it('of what is not registered does nothing', async () => {
    const node = await cloud.connected();
    await node.unregister('nothing');
  });

  it('before connect() takes the service back', async () => {
    const node = cloud.node();
    await node.register('early', () => 1);
    await node.unregister('early');
    await node.connect();

    expect(await cloud.members('early')).toEqual([]);
  });
});

describe('a rolling restart', () => {
  it('of 20 nodes, one after the other, under load, fails no call', async () => {
    const handler = (ms: number) => delay(ms);
    let nodes: CloudsNode[] = [await server('work', handler), await server('work', handler)];
    const caller = await cloud.connected();
    const calls: Promise<unknown>[] = [];
    let isOver = false;
    const load = (async () => {
      while (!isOver) {
        for (let i = 0; i < 10; i++) calls.push(caller.send('work', calls.length % 20));
        await delay(5);
      }
    })();

    for (let i = 0; i < 20; i++) {
      const [oldest, other] = nodes as [CloudsNode, CloudsNode];
      await oldest.close();
      nodes = [other, await server('work', handler)];
    }
    isOver = true;
    await load;

    expect(await tally(calls)).toEqual({ ok: calls.length });
    expect(calls.length).toBeGreaterThan(200);
    await cloud.silence('work', nodes);
  });

  it('of the only node of a service: calls wait for the next', async () => {
    let node = await server('work', () => 'ok');
    const caller = await cloud.connected();
    const calls: Promise<unknown>[] = [caller.send('work')];
    await calls[0];

    for (let i = 0; i < 5; i++) {
      await node.close();
      for (let j = 0; j < 20; j++) calls.push(caller.send('work'));
      node = await server('work', () => 'ok');
    }

    expect(await tally(calls)).toEqual({ ok: 101 });
  });
});
