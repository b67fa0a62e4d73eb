import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { CloudsRedisOptions } from '../../lib/common/options.js';
import { Link } from '../../lib/redis/link.js';
import { useCloud, usePrivateCloud } from '../support/cloud.js';
import { closedPort } from '../support/fake-redis.js';
import { Proxy } from '../support/proxy.js';
import { rejection, timeOf, until } from '../support/wait.js';

/** Not `once`, which rejects when the connection has an error to tell. */
const next = <E extends string>(
  emitter: { on(event: E, listener: () => void): unknown },
  event: E,
) => new Promise<void>((resolve) => emitter.on(event, () => resolve()));

/** What ioredis would do by itself, and must not do here: docs/ioredis.md. */
describe('a link', () => {
  const cloud = useCloud();
  const key = () => `${cloud.prefix}X`;
  let proxy: Proxy;
  let link: Link | undefined;

  afterEach(async () => {
    link?.close();
    await proxy.close();
    await cloud.admin.del(key());
  });

  async function opened(): Promise<Link> {
    proxy = await Proxy.start(cloud.url);
    link = new Link({ url: proxy.url, connectionName: cloud.prefix }, 2000);
    link.on('error', () => undefined);
    await link.open();
    return link;
  }

  it('does not send again what was out when the connection was cut', async () => {
    const one = await opened();
    proxy.loseReplies();
    const cut = rejection(one.pipeline([['incr', key()]]));
    await until('it was done', async () => (await cloud.admin.get(key())) === '1');
    const back = next(one, 'up');
    proxy.cut();

    await cut;
    await back;
    expect(await one.pipeline([['get', key()]])).toEqual([{ error: null, value: '1' }]);
  });

  it('does not keep for later what is sent while it is down', async () => {
    const one = await opened();
    const down = next(one, 'down');
    proxy.cut();
    await down;
    const back = next(one, 'up');

    await rejection(one.pipeline([['set', key(), 'late']]));

    await back;
    expect(await one.pipeline([['get', key()]])).toEqual([{ error: null, value: null }]);
  });

  it('hears nothing on a new connection that was not subscribed to there', async () => {
    const one = await opened();
    await one.subscribe(key());
    const back = next(one, 'up');
    proxy.cut();
    await back;

    const [answer] = await one.pipeline([['pubsub', 'numsub', key()]]);

    expect(answer!.value).toEqual([key(), 0]);
  });

  it('that is reset is down at once, whatever a server that hangs may do', async () => {
    const one = await opened();
    proxy.stall();

    one.reset();

    for (let i = 0; i < 3; i++) await turn();
    expect(one.isUp).toBe(false);
    proxy.flow();
  });

  it('answers a score in the very digits of Redis', async () => {
    const one = await opened();
    const add = ['zadd', key(), 'INCR', '0.30000000000000004', 'member'] as const;
    expect(await one.pipeline([add])).toEqual([{ error: null, value: '0.30000000000000004' }]);
  });
});

describe('a link to a master that has become a replica', () => {
  const cloud = usePrivateCloud();

  it('passes on that it was refused, and looks for the master again', async () => {
    const link = new Link(cloud.options().redis as CloudsRedisOptions, 2000);
    await link.open();
    const down = next(link, 'down');
    await cloud.admin.replicaof('127.0.0.1', await closedPort());

    const [answer] = await link.pipeline([['incr', `${cloud.prefix}X`]]);

    expect(answer!.error?.message).toMatch(/^READONLY/);
    await down;
    link.close();
  });
});

describe('a node', () => {
  const cloud = usePrivateCloud();

  it('that is closed while Redis cannot be reached does not hold its process', async () => {
    const proxy = await Proxy.start(cloud.url);
    const redis = { url: proxy.url, connectionName: cloud.prefix };
    const program = cloud.program('closed-while-down.mjs', { options: cloud.options({ redis }) });
    await program.heard('ready');
    proxy.refuse();
    await program.heard('closed');

    const ms = await timeOf(program.ended);

    expect(ms).toBeLessThan(1500);
    await proxy.close();
  });

  it('survives that it may not subscribe any more, and serves when it may again', async () => {
    const setUser = (...rules: string[]) => cloud.admin.call('ACL', 'SETUSER', 'few', ...rules);
    await setUser('on', '>pw', '~*', '&*', '+@all');
    const url = cloud.url.replace('//', '//few:pw@');
    const child = await cloud.child({ redis: { url, connectionName: cloud.prefix } });
    // Redis closes the connections of those who hear what they may not hear any more.
    await setUser('resetchannels');
    await child.heard('reconnecting');
    await until('it was refused', async () => {
      const log = (await cloud.admin.call('ACL', 'LOG')) as unknown[][];
      return log.some((entry) => entry.includes('channel'));
    });
    await setUser('allchannels');

    const caller = await cloud.connected({ service: { noNodeGrace: 5000 } });

    expect(await caller.send('work')).toBe(child.id);
  });
});
