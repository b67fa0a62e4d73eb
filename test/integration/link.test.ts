import { afterEach, describe, expect, it } from 'vitest';
import { isRedisReply, Link } from '../../lib/redis/link.js';
import { useCloud } from '../support/cloud.js';
import { FakeSentinel } from '../support/fake-sentinel.js';
import { Proxy } from '../support/proxy.js';
import { rejection, until } from '../support/wait.js';

const cloud = useCloud();
const links: Link[] = [];
let proxy: Proxy | undefined;

afterEach(async () => {
  for (const link of links.splice(0)) link.close();
  await proxy?.close();
  proxy = undefined;
});

async function opened(url = cloud.url): Promise<Link> {
  const link = new Link({ url, connectionName: cloud.prefix }, 2000);
  // Connections are cut here.
  link.on('error', () => undefined);
  links.push(link);
  await link.open();
  return link;
}

describe('a pipeline', () => {
  const key = () => `${cloud.prefix}X`;

  it('answers each command, in their order', async () => {
    const link = await opened();

    const answers = await link.pipeline([
      ['set', key(), '名 😀'],
      ['get', key()],
      ['publish', key(), 'nobody listens'],
      ['del', key()],
      ['zadd', key(), 'XX', 'INCR', 2, 'missing'],
    ]);

    expect(answers).toEqual(['OK', '名 😀', 0, 1, null].map((value) => ({ error: null, value })));
  });

  it('is refused only what Redis refuses of it', async () => {
    const link = await opened();

    const [refused, done] = await link.pipeline([['nonsense'], ['del', key()]]);

    expect(refused!.value).toBeUndefined();
    expect(isRedisReply(refused!.error)).toBe(true);
    expect(done).toEqual({ error: null, value: 0 });
  });

  it('comes before what is sent after it', async () => {
    const link = await opened();

    const [, answers] = await Promise.all([
      link.pipeline(Array.from({ length: 100 }, () => ['incr', key()])),
      link.pipeline([['getdel', key()]]),
    ]);

    expect(answers).toEqual([{ error: null, value: '100' }]);
  });

  it('may be empty', async () => {
    const link = await opened();
    expect(await link.pipeline([])).toEqual([]);
    expect(await link.pipeline([['echo', 'alive']])).toEqual([{ error: null, value: 'alive' }]);
  });

  it('rejects when the connection is cut before it was answered', async () => {
    proxy = await Proxy.start(cloud.url);
    const link = await opened(proxy.url);
    proxy.loseReplies();

    const cut = rejection(
      link.pipeline([
        ['set', key(), 'done', 'PX', 10_000],
        ['get', key()],
      ]),
    );
    await until('it was done', async () => (await cloud.admin.get(key())) === 'done');
    proxy.cut();

    expect(isRedisReply(await cut)).toBe(false);
    await cloud.admin.del(key());
  });

  it('rejects while there is no connection', async () => {
    proxy = await Proxy.start(cloud.url);
    const link = await opened(proxy.url);
    proxy.refuse();
    await until('the link is down', () => !link.isUp);

    expect(isRedisReply(await rejection(link.pipeline([['ping']])))).toBe(false);
    link.close();
    expect((await rejection(link.pipeline([['ping']]))).message).toBe('the link is closed');
  });
});

describe('a link that is told of a failover while it asks where the master is', () => {
  let sentinel: FakeSentinel;

  afterEach(() => sentinel.close());

  it('comes back all the same, and so does the connection of the application', async () => {
    proxy = await Proxy.start(cloud.url);
    sentinel = await FakeSentinel.start(Number(new URL(proxy.url).port));
    const sentinels = [{ host: '127.0.0.1', port: sentinel.port }];
    const link = new Link({ sentinels, name: 'main', connectionName: cloud.prefix }, 2000);
    link.on('error', () => undefined);
    links.push(link);
    await link.open();
    await link.spare!.ping();
    await until('both listen to the sentinel', () => sentinel.subscribers === 2);
    sentinel.isSilent = true;
    proxy.cut();
    await until('both ask', () => sentinel.asking === 2);

    sentinel.announce();
    await until('nobody listens any more', () => sentinel.subscribers === 0);
    sentinel.speak();

    await until('the link is back', () => link.isUp, 2000);
    // Each comes back by itself, and what is asked of one that the driver has ended is refused at once.
    await until('the other one is back', () => link.spare!.status === 'ready', 2000);
    expect(await link.spare!.ping()).toBe('PONG');
  });
});
