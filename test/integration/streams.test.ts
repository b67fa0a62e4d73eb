import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { CloudsOptions } from '../../lib/common/options.js';
import type { IncomingRequest } from '../../lib/node/incoming-request.js';
import type { CloudsNode } from '../../lib/node/node.js';
import { MAX_HELD } from '../../lib/node/outgoing-stream.js';
import { WINDOW, WINDOW_BYTES } from '../../lib/node/stream-window.js';
import { FAST_BEAT, useCloud } from '../support/cloud.js';
import { outcome, rejection, until } from '../support/wait.js';

const cloud = useCloud();
const MEBIBYTE = 1024 * 1024;
/** What a generator may have given beyond the window: the value that waits for room, and one on its way. */
const SMALL = 2;
const SIGNED = { signing: { keys: ['k'.repeat(32)], required: true } };

interface Looked {
  pulled: number;
  left: number;
  heap: number;
}

/** A process that serves `endless`, and a caller of it. */
async function endless(options?: CloudsOptions) {
  const program = cloud.program('streams.mjs', options && { options: cloud.options(options) });
  await program.heard('ready');
  const caller = await cloud.connected(options);
  const looked = () => caller.send<Looked>('looked');
  return { program, caller, looked };
}

/** A node of this process that counts what its generator gives. */
async function counting(options?: CloudsOptions) {
  const node = await cloud.connected(options);
  const seen = { pulled: 0, left: 0 };
  await node.register('count', async function* (limit: number) {
    try {
      for (; seen.pulled < limit; seen.pulled++) yield await Promise.resolve(seen.pulled);
    } finally {
      seen.left++;
    }
  });
  const caller = await cloud.connected(options);
  return { node, caller, seen };
}

async function take(values: AsyncIterator<unknown>, count: number): Promise<unknown[]> {
  const taken: unknown[] = [];
  while (taken.length < count) taken.push((await values.next()).value);
  return taken;
}

/** Waits until a number does not grow any more. */
async function stands(look: () => Promise<number> | number): Promise<number> {
  let before = -1;
  let now = await look();
  await until('it stands still', async () => {
    before = now;
    await delay(30);
    now = await look();
    return now === before && now > 0;
  });
  return now;
}

/** How a stream ends, and how many values it had. */
async function endOf(values: AsyncIterator<unknown>): Promise<{ count: number; error?: unknown }> {
  for (let count = 0; ; count++) {
    try {
      if ((await values.next()).done) return { count };
    } catch (error) {
      return { count, error };
    }
  }
}

describe('a slow consumer', () => {
  it('pauses an endless generator: its node gives no more than a window beyond what was consumed', async () => {
    const { caller, looked } = await endless();
    const { heap: heapBefore } = await looked();
    const values = caller.stream<number>('endless');
    let consumed = 0;
    for (const count of [1, 100, 1000]) {
      expect(await take(values, count)).toEqual(Array.from({ length: count }, () => consumed++));
      const pulled = await stands(async () => (await looked()).pulled);
      expect(pulled).toBeLessThanOrEqual(consumed + WINDOW + SMALL);
      expect(pulled).toBeGreaterThan(consumed);
    }
    const { heap } = await looked();
    // 8 MiB are those in which the last replies are kept.
    expect(heap - heapBefore).toBeLessThan(16 * MEBIBYTE);
    await values.return!();
    await until('the generator is left', async () => (await looked()).left === 1);
  });

  it('of long values makes its node hold no more than the window has bytes', async () => {
    const { caller, looked } = await endless();
    const { heap: heapBefore } = await looked();
    const bytes = 900_000;
    const values = caller.stream<string>('endless', { bytes });
    for (let consumed = 10; consumed <= 30; consumed += 10) {
      await take(values, 10);
      const pulled = await stands(async () => (await looked()).pulled);
      expect(pulled - consumed).toBeLessThanOrEqual(Math.ceil(WINDOW_BYTES / bytes) + SMALL);
      expect((await looked()).heap - heapBefore).toBeLessThan(64 * MEBIBYTE);
    }
    await values.return!();
    await until('the generator is left', async () => (await looked()).left === 1);
  });

  it('does not hold up others, of the same node and the same caller', async () => {
    const { caller, seen } = await counting();
    const slow = caller.stream('count', 1_000_000);
    await slow.next();
    await stands(() => seen.pulled);
    expect(await endOf(caller.stream('count', seen.pulled + 3000))).toEqual({ count: 3000 });
    await slow.return!();
  });

  it('is no reason for a timeout, as against a source that gives nothing', async () => {
    const { caller, node } = await counting();
    const values = caller.stream('count', 3 * WINDOW, { timeout: 100 });
    for (let i = 0; i < 3 * WINDOW; i++) {
      expect((await values.next()).value).toBe(i);
      if (i % WINDOW === 10) await delay(300);
    }
    expect(await values.next()).toEqual({ done: true, value: undefined });
    await node.register('silent', async function* (_: never, { signal }: IncomingRequest) {
      yield await new Promise((resolve) => signal.addEventListener('abort', resolve));
    });
    const silent = caller.stream('silent', 1, { timeout: 100 });
    expect(await rejection(silent.next())).toMatchObject({ code: 'CLOUDS_TIMEOUT' });
  });

  it('does not outlast the deadline that it has set', async () => {
    const { caller, seen } = await counting();
    const values = caller.stream('count', 1_000_000, { timeout: 100, deadline: 300 });
    await values.next();
    await until('the generator is left', () => seen.left === 1);
    expect(await endOf(values)).toMatchObject({ error: { code: 'CLOUDS_TIMEOUT' } });
  });
});

describe('a stream', () => {
  it('of 100,000 values comes whole and in order, to a loop and to a sink', async () => {
    const { caller, node } = await counting();
    const count = 100_000;
    let next = 0;
    for await (const value of caller.stream<number>('count', count)) if (value === next) next++;
    expect(next).toBe(count);
    await node.register('again', async function* () {
      for (let i = 0; i < count; i++) yield await Promise.resolve(i);
    });
    let inOrder = 0;
    const value = (one: unknown) => void (one === inOrder && inOrder++);
    await new Promise<void>((end, error) => caller.request('again', 1, {}, { value, end, error }));
    expect(inOrder).toBe(count);
    await cloud.silence('count', [node]);
  });

  it('is not called for before its first value is asked for', async () => {
    const { caller, seen } = await counting();
    const values = caller.stream('count', 10);
    expect(caller.stats.inFlight).toBe(0);
    await values.return!();
    expect(await values.next()).toEqual({ done: true, value: undefined });
    expect(seen.pulled).toBe(0);
  });

  it('that is a plain result has one value, and an error is thrown in the loop', async () => {
    const { caller, node } = await counting();
    await node.register('plain', (data: unknown) => data);
    await node.register('failing', async function* () {
      yield await Promise.resolve(1);
      throw new RangeError('enough');
    });
    expect(await take(caller.stream('plain', 6), 2)).toEqual([6, undefined]);
    expect(await endOf(caller.stream('failing'))).toMatchObject({
      count: 1,
      error: { name: 'RangeError', message: 'enough' },
    });
    expect(await endOf(caller.stream('nobody'))).toMatchObject({
      error: { code: 'CLOUDS_NO_NODE' },
    });
    expect(await endOf(caller.stream(''))).toMatchObject({ error: { code: 'CLOUDS_BAD_NAME' } });
  });

  it('that is left is cancelled, and its generator cleans up, also while it waits for room', async () => {
    const { caller, node, seen } = await counting();
    for await (const value of caller.stream('count', 1_000_000)) if (value === 20) break;
    await until('the generator is left', () => seen.left === 1);
    const values = caller.stream('count', 2_000_000);
    await values.next();
    await stands(() => seen.pulled);
    await values.return!();
    await until('the generator is left', () => seen.left === 2);
    await cloud.silence('count', [node]);
  });

  it('is cancelled also while its source has nothing to give', async () => {
    const { caller, node } = await counting();
    let isLeft = false;
    const idle: AsyncIterableIterator<number> = {
      [Symbol.asyncIterator]: () => idle,
      next: () =>
        new Promise((resolve) => void (release = () => resolve({ done: true, value: 0 }))),
      return: () => {
        isLeft = true;
        release();
        return Promise.resolve({ done: true, value: 0 });
      },
    };
    let release = () => {};
    await node.register('idle', () => idle);
    const cancel = caller.request('idle', 1, {}, { value() {}, end() {}, error() {} });
    await until('it runs', () => node.stats.running === 1);
    cancel();
    await until('the source is left', () => isLeft);
    await cloud.silence('idle', [node]);
  });

  it('comes whole when it is signed', async () => {
    const { caller, node, seen } = await counting(SIGNED);
    expect(await endOf(caller.stream('count', 5 * WINDOW))).toEqual({ count: 5 * WINDOW });
    expect(seen.left).toBe(1);
    expect([caller.stats.dropped, node.stats.dropped]).toEqual([{}, {}]);
  });
});

describe('a source that does not wait', () => {
  const NEVER_ENDS = 10 * MAX_HELD;

  /** Gives all of its values at once, and notes that it was told to stop. */
  async function hot(values: number, json: unknown = 'x') {
    const node = await cloud.connected();
    const seen = { started: 0, given: 0, stopped: 0 };
    await node.serve('hot', (request: IncomingRequest) => {
      seen.started++;
      request.onCancel(() => seen.stopped++);
      for (; seen.given < values && !request.isCancelled; seen.given++) request.value(json);
      if (!request.isCancelled) request.end();
    });
    return { node, seen, caller: await cloud.connected() };
  }

  it('is held until the caller has room, and its end comes last', async () => {
    const { node, caller } = await hot(5000);
    const values = caller.stream('hot');
    await values.next();
    expect(node.stats.running).toBe(1);
    expect(await endOf(values)).toEqual({ count: 4999 });
    await cloud.silence('hot', [node]);
  });

  it.each([
    ['values', 'x', MAX_HELD + WINDOW],
    ['bytes', 'x'.repeat(100_000), (16 * MEBIBYTE) / 100_000 + WINDOW],
  ])(
    'ends with CLOUDS_OVERLOADED when it has too many %s, and is stopped',
    async (_, json, most) => {
      const { node, seen, caller } = await hot(NEVER_ENDS, json);
      const values = caller.stream('hot');
      const { count, error } = await endOf(values);
      expect(error).toMatchObject({ code: 'CLOUDS_OVERLOADED', message: /async generator/ });
      expect(count).toBeLessThanOrEqual(WINDOW);
      expect(seen.stopped).toBe(1);
      expect(seen.given).toBeLessThanOrEqual(most + SMALL);
      await cloud.silence('hot', [node]);
    },
  );

  it.each([
    ['waits for room', { whenFull: 'wait' }],
    ['may be tried again', { attempts: 3 }],
  ] as const)(
    'is not run a second time because it is too fast, though the call %s',
    async (_, how) => {
      const { node, seen, caller } = await hot(NEVER_ENDS);
      const sent = new Promise((resolve, reject) => {
        const end = () => resolve(undefined);
        caller.request(
          'hot',
          1,
          { timeout: 2000, ...how },
          { value: () => undefined, end, error: reject },
        );
        // So that no value is taken before all is over.
        const until = performance.now() + 300;
        while (performance.now() < until);
      });
      expect(await outcome(sent)).toBe('CLOUDS_OVERLOADED');
      expect(seen.started).toBe(1);
      await cloud.silence('hot', [node]);
    },
  );

  it('is forgotten when the caller leaves after its end', async () => {
    const { node, caller } = await hot(5000);
    const values = caller.stream('hot');
    await values.next();
    await values.return!();
    await until('nothing runs', () => node.stats.running === 0);
    await cloud.silence('hot', [node]);
  });
});

describe('in mid-stream', () => {
  it('the death of the node fails the stream within a second, with no other attempt', async () => {
    const { program, caller } = await endless();
    const other = await cloud.connected();
    let runs = 0;
    await other.register('other', () => runs++);
    const moved: unknown[] = [];
    caller.on('moved', (event) => moved.push(event));
    let killedAt = 0;
    let count = 0;
    const error = await new Promise((resolve) => {
      const value = () => {
        if (++count === 1000) void program.kill().then(() => (killedAt = performance.now()));
      };
      caller.request(
        'endless',
        {},
        { attempts: 3 },
        { value, end: () => resolve('end'), error: resolve },
      );
    });
    expect(error).toMatchObject({ code: 'CLOUDS_NODE_LOST' });
    expect(performance.now() - killedAt).toBeLessThan(1000);
    expect(moved).toEqual([]);
  });

  it('that waits for room is cancelled when its caller is killed', async () => {
    const { node, seen } = await counting(FAST_BEAT);
    const program = cloud.program('caller.mjs', { options: cloud.options(FAST_BEAT) });
    await program.heard('ready');
    program.tell({ service: 'count', data: 10_000_000, options: {} });
    await until('it streams', () => seen.pulled > 0);
    program.pause();
    await stands(() => seen.pulled);
    expect(seen.left).toBe(0);
    await program.kill();
    await until('the generator has ended', () => seen.left === 1);
    await cloud.silence('count', [node]);
  });

  it('that waits for room is cancelled when its caller has given up without being heard', async () => {
    const { node, seen } = await counting(FAST_BEAT);
    const caller = await cloud.connected(FAST_BEAT);
    // To the caller it is the same as one that it has forgotten.
    const from = `${caller.id}.1`;
    const frame = '["lost",60000,1,0,10000000]';
    await cloud.admin.publish(
      cloud.keys.inbox(`${node.id}.1`),
      `[1,"q",${Date.now()},"${from}","count",[${frame}]]`,
    );
    await until('the generator has ended', () => seen.left === 1);
  });

  it.each([
    ['the caller', ({ caller }: Pair) => [caller]],
    ['the node', ({ node }: Pair) => [node]],
    ['both', ({ caller, node }: Pair) => [caller, node]],
  ])(
    'a cut of the connection of %s leaves the stream whole, or fails it soon',
    async (_, whose) => {
      const pair = await counting(FAST_BEAT);
      const { caller, seen, node } = pair;
      const values = caller.stream('count', 1_000_000);
      await take(values, 300);
      await stands(() => seen.pulled);
      await cloud.cut(whose(pair));
      await until('both are back', () => node.isConnected && caller.isConnected);
      // What was sent before the cut has arrived: nothing is lost.
      expect(await take(values, 5000)).toEqual(Array.from({ length: 5000 }, (__, i) => i + 300));
      await cloud.cut(whose(pair));
      const { error } = await endOf(limited(values, 200_000));
      if (error) expect(error).toMatchObject({ code: 'CLOUDS_NODE_LOST' });
      await values.return!();
      await until('the generator is left', () => seen.left === 1);
      await cloud.silence('count', [node]);
    },
  );
});

interface Pair {
  caller: CloudsNode;
  node: CloudsNode;
}

async function* limited(values: AsyncIterable<unknown>, limit: number) {
  let count = 0;
  for await (const value of values) {
    yield value;
    if (++count === limit) return;
  }
}
