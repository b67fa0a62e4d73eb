import { describe, expect, it } from 'vitest';
import { usePrivateCloud } from '../support/cloud.js';
import { gate, outcome, tally, until } from '../support/wait.js';

const cloud = usePrivateCloud();

function keysOf(db: number): Promise<string[]> {
  return cloud.admin
    .multi()
    .select(db)
    .keys('*')
    .select(0)
    .exec()
    .then((answers) => (answers![1]![1] as string[]).toSorted());
}

/** A node of this test's Redis; nothing else is set. */
function plain(options: Parameters<typeof cloud.node>[0] = {}) {
  return cloud.node({ redis: cloud.url, prefix: undefined, ...options });
}

describe('the prefix', () => {
  it('keeps clouds apart: they do not see each other', async () => {
    const [here, there] = [plain({ prefix: 'here:' }), plain({ prefix: 'there:' })];
    await here.register('work', () => 'here');
    await there.register('work', () => 'there');
    await Promise.all([here.connect(), there.connect()]);

    const answers = await Promise.all(
      Array.from({ length: 20 }, () => Promise.all([here.send('work'), there.send('work')])),
    );

    expect(new Set(answers.map(String))).toEqual(new Set(['here,there']));
  });

  it('is cleaned alone', async () => {
    const node = plain({ prefix: 'here:' });
    await node.connect();
    await cloud.admin.zadd('here:S:work', 1, 'dead.1');
    await cloud.admin.zadd('there:S:work', 1, 'dead.1');
    await cloud.admin.zadd('herexS:work', 1, 'dead.1');

    expect(await node.clean()).toBe(1);

    expect(await cloud.admin.exists('there:S:work', 'herexS:work')).toBe(2);
  });

  it('may have characters that mean something in a pattern', async () => {
    const node = plain({ prefix: 'a*[b]?\\:' });
    await node.register('work', () => 'here');
    await node.connect();
    await cloud.admin.zadd('a*[b]?\\:S:dead', 1, 'dead.1');
    await cloud.admin.zadd('aXb?\\:S:dead', 1, 'dead.1');

    expect(await node.send('work')).toBe('here');
    expect(await node.clean()).toBe(1);
    expect(await cloud.admin.exists('aXb?\\:S:dead')).toBe(1);
  });

  it('may be given where the seed had it, and is put before every key and channel', async () => {
    const node = plain({ redis: { port: cloud.server.port, prefix: 'TEST:' } });
    await node.register('math', () => 1);
    await node.connect();
    await node.send('math');

    const keys = await keysOf(0);
    expect(keys).toEqual([`TEST:F:${node.id}`, `TEST:N:${node.id}`, 'TEST:S:math']);
    expect(await cloud.admin.pubsub('CHANNELS')).toEqual([`TEST:P:${node.id}.1`]);
  });

  it('may have a hash tag: then all keys lie in one slot', async () => {
    const node = plain({ prefix: '{shop}:' });
    await node.register('work', () => 'tagged');
    await node.connect();

    expect(await node.send('work')).toBe('tagged');
    expect(await keysOf(0)).toEqual(
      ['F', 'N'].map((kind) => `{shop}:${kind}:${node.id}`).concat('{shop}:S:work'),
    );
  });

  it('may be empty', async () => {
    const node = plain({ prefix: '' });
    await node.register('work', () => 'bare');
    await node.connect();

    expect(await node.send('work')).toBe('bare');
    expect(await keysOf(0)).toContain('S:work');
  });

  it('is "clouds:" if nobody says otherwise', async () => {
    const node = plain();
    await node.register('work', () => 'default');
    await node.connect();

    expect(await keysOf(0)).toContain('clouds:S:work');
  });
});

describe('the database', () => {
  it('keeps services apart, though channels know no databases', async () => {
    const [one, two] = [1, 2].map((db) => plain({ redis: { port: cloud.server.port, db } }));
    await one!.register('only-in-one', () => 'one');
    await one!.register('both', () => 'one');
    await two!.register('both', () => 'two');
    await Promise.all([one!.connect(), two!.connect()]);

    for (let i = 0; i < 10; i++) {
      expect(await one!.send('both')).toBe('one');
      expect(await two!.send('both')).toBe('two');
    }
    expect(await outcome(two!.send('only-in-one', 1, { timeout: 200 }))).toBe('CLOUDS_NO_NODE');
  });

  it('can be told in the URL', async () => {
    const node = plain({ redis: `${cloud.url}/4` });
    await node.register('work', () => 4);
    await node.connect();

    expect(await node.send('work')).toBe(4);
    expect(await keysOf(4)).toContain('clouds:S:work');
    expect(await keysOf(0)).toEqual([]);
  });

  it('is the same after a reconnect', async () => {
    const node = plain({ redis: `${cloud.url}/4`, heartbeatInterval: 100 });
    await node.register('work', () => 4);
    await node.connect();
    await cloud.cut([node]);
    await until('it is away', () => !node.isConnected);
    await until('it is back', () => node.isConnected);

    expect(await node.send('work')).toBe(4);
    expect(await keysOf(0)).toEqual([]);
  });
});

describe('other options', () => {
  it('baseScore is where an idle node starts', async () => {
    const node = await cloud.connected({ baseScore: 5 });
    await node.register('work', () => 1);
    expect(await cloud.scores('work')).toEqual({ [node.id]: 5 });
    await node.send('work');
    await cloud.silence('work', [node], 5);
  });

  it('a node with a high baseScore gets the calls until it has as little free as the others', async () => {
    const big = await cloud.connected({ baseScore: 100 });
    const small = await cloud.connected({ baseScore: 90 });
    for (const node of [big, small]) await node.register('work', () => 1);
    const caller = await cloud.connected();
    for (let i = 0; i < 20; i++) await caller.send('work');
    expect([big.stats.handled, small.stats.handled]).toEqual([20, 0]);
  });

  it('maxRunning bounds what a node runs, of all services together', async () => {
    const node = await cloud.connected({ maxRunning: 2 });
    const held = gate();
    for (const service of ['a', 'b']) await node.register(service, () => held.opened);
    const caller = await cloud.connected();
    const calls = ['a', 'b', 'b', 'a'].map((service) => caller.send(service));

    const refusals: unknown[] = [];
    for (const call of calls) call.catch((error: unknown) => refusals.push(error));
    await until('two are refused', () => refusals.length === 2);
    held.open();

    const text = expect.stringContaining('"maxRunning"') as string;
    for (const refusal of refusals)
      expect(refusal).toMatchObject({ code: 'CLOUDS_OVERLOADED', message: text });
    expect(await tally(calls)).toEqual({ ok: 2, CLOUDS_OVERLOADED: 2 });
    await cloud.silence('a', [node]);
    await cloud.silence('b', [node]);
  });

  it('callbackTimeout and attempts are the defaults of calls', async () => {
    const service = { callbackTimeout: 80, attempts: 2 };
    const caller = await cloud.connected({ service });
    const attempts: number[] = [];
    for (let i = 0; i < 3; i++) {
      const node = await cloud.connected({ drainTimeout: 0 });
      await node.register('slow', (_: never, { attempt }) => {
        attempts.push(attempt);
        return new Promise(() => {});
      });
    }

    expect(await outcome(caller.send('slow'))).toBe('CLOUDS_TIMEOUT');
    expect(attempts).toEqual([1, 2]);
  });
});
