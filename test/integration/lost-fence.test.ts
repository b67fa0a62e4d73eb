import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import type { CloudsNode } from '../../lib/index.js';
import { randomId } from '../../lib/protocol/ids.js';
import { type PrivateRedis, startPrivateRedis } from '../../tools/redis.mjs';
import { FAST_BEAT, usePrivateCloud } from '../support/cloud.js';
import { Proxy } from '../support/proxy.js';
import { outcome, tally, until } from '../support/wait.js';

const CALLS = 20;

const cloud = usePrivateCloud();
let proxy: Proxy | undefined;
let other: PrivateRedis | undefined;

afterEach(async () => {
  await cloud.closeNodes();
  await proxy?.close();
  await other?.stop();
});

/** How often each key ran on either of two nodes. */
async function runsOfTwo(): Promise<Map<number, number>> {
  const runs = new Map<number, number>();
  for (const node of [await cloud.connected(), await cloud.connected()])
    await node.register('work', (key: number) => void runs.set(key, (runs.get(key) ?? 0) + 1));
  return runs;
}

async function follow(server: Redis, { hostname, port }: URL): Promise<void> {
  await server.replicaof(hostname, port);
  const isSynced = async () => (await server.info('replication')).includes('master_link_status:up');
  await until('the replica has everything', isSynced);
}

/** What a failover to a replica that lags comes to, and another one back: what was written since then is lost. */
async function forgetAfter(act: () => Promise<void>): Promise<void> {
  other = await startPrivateRedis();
  const replica = new Redis(other.url);
  // Callers ask again after some seconds: by then it has to be over.
  for (const server of [cloud.admin, replica])
    await server.config('SET', 'repl-diskless-sync-delay', 0);
  try {
    await follow(replica, new URL(cloud.url));
    await replica.replicaof('NO', 'ONE');
    await act();
    await follow(cloud.admin, new URL(other.url));
    await cloud.admin.replicaof('NO', 'ONE');
  } finally {
    replica.disconnect();
  }
}

describe('what was under way for long on a connection that is gone', () => {
  /** A caller that has made calls 0 and 1, and then 2, which was stranded and dispatched anew. */
  async function stranded(): Promise<CloudsNode> {
    proxy = await Proxy.start(cloud.url);
    const redis = { url: proxy.url, connectionName: cloud.prefix };
    const caller = await cloud.connected({ redis, ...FAST_BEAT });
    await caller.send('work', 0);
    await caller.send('work', 1);
    proxy.strand();
    await caller.send('work', 2);
    return caller;
  }

  it.each<[string, (caller: CloudsNode) => Promise<unknown>]>([
    ['its caller has closed its node', (caller) => caller.close()],
    [
      'its caller has lost its fence and made another',
      async (caller) => {
        await cloud.admin.del(cloud.keys.fence(caller.id));
        await caller.send('work', 3);
      },
    ],
    [
      'its caller has lost its fence and not noticed yet',
      (caller) => cloud.admin.del(cloud.keys.fence(caller.id)),
    ],
    ['Redis was flushed', () => cloud.admin.flushall()],
  ])('does not run any more when %s', { timeout: 30_000 }, async (_what, act) => {
    const runs = await runsOfTwo();
    const caller = await stranded();
    await act(caller);

    await proxy!.deliver();

    const cameBack = async () =>
      (await cloud.admin.hvals(cloud.keys.fence(caller.id))).some((kept) =>
        /^\d+:\d+\|@/.test(kept),
      );
    await until('what was stranded has come back', cameBack);

    await until('both nodes are there', async () => (await cloud.members('work')).length === 2);
    // Either node has then run all that came before.
    const other = await cloud.connected();
    for (const key of [10, 11, 12, 13]) await other.send('work', key);
    expect(runs.get(2)).toBe(1);
  });
});

describe('a caller that has lost its fence', () => {
  it('notices that by the next call, which is answered all the same', async () => {
    const runs = await runsOfTwo();
    const caller = await cloud.connected();
    for (const key of [0, 1]) await caller.send('work', key);
    await cloud.admin.del(cloud.keys.fence(caller.id));

    // So short that it is not sent quietly.
    await caller.send('work', 2, { timeout: 250 });
    await cloud.admin.del(cloud.keys.fence(caller.id));
    await caller.send('work', 3);

    expect([...runs]).toEqual([0, 1, 2, 3].map((key) => [key, 1]));
  });
});

describe('a server that has no scripts, as one that has just started', () => {
  it('runs the first batches of a process in their order', async () => {
    await cloud.admin.script('FLUSH');
    await cloud.admin.config('RESETSTAT');
    const runs = await runsOfTwo();
    const [caller, other] = [await cloud.connected(), await cloud.connected()];

    // In the same turn: when the others load the script meanwhile, the batches that were refused come too late.
    const ends = await tally(
      Array.from({ length: CALLS }, (_, key) => (key % 2 ? caller : other).send('work', key)),
    );

    expect(ends).toEqual({ ok: CALLS });
    expect(runs.size).toBe(CALLS);
    expect(await cloud.admin.info('errorstats')).not.toContain('NOSCRIPT');
  });
});

describe('a user who may no longer write the fence', () => {
  it.each(['-hset', '-hmget', '-pexpire'])(
    'is not told that what was delivered has not run (%s)',
    async (right) => {
      const user = `user-${randomId()}`;
      await cloud.admin.call('ACL', 'SETUSER', user, ...'on >pw ~* &* +@all'.split(' '));
      const runs = await runsOfTwo();
      const url = cloud.url.replace('//', `//${user}:pw@`);
      const caller = await cloud.connected({ redis: { url, connectionName: cloud.prefix } });
      await cloud.admin.call('ACL', 'SETUSER', user, right);

      for (const key of [1, 2, 3]) {
        const end = await outcome(caller.send('work', key, { timeout: 1000 }));
        expect(['ok', 'CLOUDS_DISCONNECTED', 'CLOUDS_NODE_LOST']).toContain(end);
        if (end === 'ok') expect(runs.get(key)).toBe(1);
        if (end === 'CLOUDS_DISCONNECTED') expect(runs.get(key)).toBeUndefined();
      }

      expect(Math.max(0, ...runs.values())).toBeLessThanOrEqual(1);
    },
  );
});

describe('a user who may not take dead members out', () => {
  it('is not told that what other nodes were given has not run', async () => {
    const user = `user-${randomId()}`;
    await cloud.admin.call('ACL', 'SETUSER', user, ...'on >pw ~* &* +@all -zrem'.split(' '));
    const runs = await runsOfTwo();
    const url = cloud.url.replace('//', `//${user}:pw@`);
    const caller = await cloud.connected({ redis: { url, connectionName: cloud.prefix } });
    // Behind the others by a point: its turn comes when they have some of the requests.
    await cloud.admin.zadd(cloud.keys.service('work'), 999, 'dead.1');

    const keys = Array.from({ length: CALLS }, (_, key) => key);
    const ends = await Promise.all(
      keys.map((key) => outcome(caller.send('work', key, { timeout: 1000 }))),
    );

    await cloud.admin.zrem(cloud.keys.service('work'), 'dead.1');
    const untrue = keys.filter((key) => ends[key] === 'CLOUDS_DISCONNECTED' && runs.has(key));
    expect(runs.size).toBeGreaterThan(1);
    expect(untrue).toEqual([]);
    expect(new Set(ends)).toEqual(new Set(['ok', 'CLOUDS_NODE_LOST']));
  });
});

describe('a server that was a replica for a while, and has lost what it did before', () => {
  it('is not believed that requests have not run', { timeout: 30_000 }, async () => {
    const runs = await runsOfTwo();
    proxy = await Proxy.start(cloud.url);
    const redis = { url: proxy.url, connectionName: cloud.prefix };
    const caller = await cloud.connected({ redis });
    const send = (key: number) => caller.send('work', key, { timeout: 8000 });
    const sendAll = (first: number) =>
      tally(Array.from({ length: CALLS }, (_, index) => send(first + index)));
    expect(await sendAll(0)).toEqual({ ok: CALLS });
    let ends!: Promise<Record<string, number>>;

    await forgetAfter(async () => {
      proxy!.loseReplies();
      ends = sendAll(CALLS);
      await until('all have run', () => runs.size === 2 * CALLS);
    });
    proxy.cut();

    expect(await ends).toEqual({ CLOUDS_NODE_LOST: CALLS });
    expect(Math.max(...runs.values())).toBe(1);
  });
});
