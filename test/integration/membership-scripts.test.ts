import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useCloud } from '../support/cloud.js';
import { Inboxes, runScript } from '../support/scripts.js';

const cloud = useCloud();
let inboxes: Inboxes;
const SERVICES = ['a', 'b', 'c', '@/a', '@/b', '@/user.*', '@mail/user.*'];

beforeEach(async () => {
  inboxes = await Inboxes.open(cloud, 'me.2');
});

afterEach(async () => {
  await inboxes.close();
  await cloud.admin.del(...SERVICES.map((one) => cloud.keys.service(one)));
  await cloud.admin.del(cloud.keys.node('me'));
});

/** Services by name, each with the mark of its member and its free capacity. */
type Services = Record<string, [mark: '' | '!', free: number]>;

function keysAndArgs(services: Services): { keys: string[]; perSet: (string | number)[] } {
  const sets = Object.keys(services).map((name) => cloud.keys.service(name));
  const perSet = Object.entries(services).flatMap(([name, [mark, free]]) => [
    mark,
    free,
    name.startsWith('@') ? name : '',
  ]);
  return { keys: [cloud.keys.node('me'), cloud.keys.subscriptions, ...sets], perSet };
}

function register(
  services: Services,
  { incarnation = 'me.2', before = '' } = {},
): Promise<unknown> {
  const { keys, perSet } = keysAndArgs(services);
  const inbox = cloud.keys.inbox(incarnation);
  return runScript(cloud, 'register', keys, [
    incarnation,
    inbox,
    before,
    '{"n":1}',
    5000,
    ...perSet,
  ]);
}

function beat(
  services: Services,
  { number = 1, entry = '{"n":2}', inbox = 'me.2' } = {},
): Promise<unknown> {
  const { keys, perSet } = keysAndArgs(services);
  return runScript(cloud, 'beat', keys, [
    'me.2',
    cloud.keys.inbox(inbox),
    entry,
    5000,
    number,
    ...perSet,
  ]);
}

async function put(service: string, member: string, score: number): Promise<void> {
  await cloud.admin.zadd(cloud.keys.service(service), score, member);
}

describe('the register script', () => {
  const NOT_SUBSCRIBED = 0;

  it('adds the node to its services with what is free, and publishes its entry with a TTL', async () => {
    const [seconds = 0] = await cloud.admin.time();
    const answer = Number(await register({ a: ['', 1000], b: ['!', 7] }));
    expect(Math.abs(answer - seconds * 1000)).toBeLessThan(5000);

    expect(await cloud.members('a')).toEqual(['me.2']);
    expect(await cloud.members('b')).toEqual(['me.2!']);
    expect(await cloud.scores('a')).toEqual({ me: 1000 });
    expect(await cloud.scores('b')).toEqual({ me: 7 });
    expect(await cloud.admin.get(cloud.keys.node('me'))).toBe('{"n":1}');
    expect(await cloud.admin.pttl(cloud.keys.node('me'))).toBeGreaterThan(3000);
  });

  it('writes nothing when nobody listens on the inbox', async () => {
    expect(await register({ a: ['', 1000] }, { incarnation: 'me.3', before: 'me.2' })).toBe(
      NOT_SUBSCRIBED,
    );

    expect(await cloud.members('a')).toEqual([]);
    expect(await cloud.admin.exists(cloud.keys.node('me'))).toBe(0);
  });

  it('leaves a score alone that is there already', async () => {
    await put('a', 'me.2', 990.5);
    await register({ a: ['', 1000] });
    expect(await cloud.admin.zscore(cloud.keys.service('a'), 'me.2')).toBe('990.5');
  });

  it('takes the predecessor out, and nobody else', async () => {
    await put('a', 'me.1', 900);
    await put('a', 'other.1', 900);
    await put('b', 'me.1!', 3);

    await register({ a: ['', 1000], b: ['!', 7] }, { before: 'me.1' });

    expect((await cloud.members('a')).toSorted()).toEqual(['me.2', 'other.1']);
    expect(await cloud.members('b')).toEqual(['me.2!']);
  });

  it('can have less than nothing free', async () => {
    await register({ a: ['', -3] });
    expect(await cloud.scores('a')).toEqual({ me: -3 });
  });
});

describe('the table of subscriptions', () => {
  const table = () => cloud.admin.hgetall(cloud.keys.subscriptions);
  const version = async () => (await table()).v;

  it('has the services that take events, and a version that changes with them', async () => {
    await register({ a: ['', 1000], '@/user.*': ['', 1000] });
    expect(await table()).toEqual({ '@/user.*': '', v: expect.any(String) as string });
    const first = await version();
    await register({ '@/user.*': ['', 1000] }, { incarnation: 'me.3' });
    expect(await version()).toBe(first);
    await register({ '@mail/user.*': ['', 1000] });
    expect(await version()).not.toBe(first);
  });

  it('that Redis has lost is put back by the next beat', async () => {
    await beat({ '@/user.*': ['', 1000] });
    expect(await table()).toHaveProperty('@/user.*');
    expect(await cloud.admin.pttl(cloud.keys.subscriptions)).toBeGreaterThan(0);
  });

  it('forgets a service that has no node, and no other', async () => {
    await register({ '@/a': ['', 1000], '@/b': ['', 1000] });
    const first = await version();
    await cloud.admin.del(cloud.keys.service('@/a'));
    const forget = (service: string) =>
      runScript(
        cloud,
        'forget',
        [cloud.keys.subscriptions, cloud.keys.service(service)],
        [service],
      );
    expect(await forget('@/b')).toBe(0);
    expect(await version()).toBe(first);
    expect(await forget('@/a')).toBe(1);
    expect(await version()).not.toBe(first);
    expect(Object.keys(await table()).sort()).toEqual(['@/b', 'v']);
    expect(await forget('@/a')).toBe(0);
  });
});

describe('the leave script', () => {
  function leave(services: Record<string, '' | '!'>): Promise<unknown> {
    const keys = Object.keys(services).map((name) => cloud.keys.service(name));
    const args = ['me.2', cloud.keys.inbox('me.2'), '[1,"f","token"]', ...Object.values(services)];
    return runScript(cloud, 'leave', keys, args);
  }

  it('takes the node out of these services, with or without a mark', async () => {
    await register({ a: ['', 1000], b: ['!', 7], c: ['', 1000] });

    expect(await leave({ a: '', b: '!' })).toBe(1);

    expect(await cloud.members('a')).toEqual([]);
    expect(await cloud.members('b')).toEqual([]);
    expect(await cloud.members('c')).toEqual(['me.2']);
  });

  it('says farewell behind all that was published before', async () => {
    await register({ a: ['', 1000] });
    const order: Promise<unknown>[] = [];
    for (let i = 0; i < 3; i++) order.push(cloud.admin.publish(cloud.keys.inbox('me.2'), `[${i}]`));
    order.push(leave({ a: '' }));
    await Promise.all(order);

    expect(await inboxes.messages('me.2')).toEqual([[0], [1], [2], [1, 'f', 'token']]);
  });

  it('says that nobody heard it', async () => {
    await inboxes.leave('me.2');
    expect(await leave({ a: '' })).toBe(0);
  });
});

describe('what comes late, after the next incarnation of its node', () => {
  it.each([
    ['a heartbeat', (services: Services) => beat(services)],
    ['a registration', (services: Services) => register(services)],
  ])('changes nothing: %s', async (_, come) => {
    const entry = '{"incarnation":"me.10"}';
    await put('a', 'me.10', 1000);
    await cloud.admin.set(cloud.keys.node('me'), entry);
    expect(await come({ a: ['', 1000] })).toBe(0);
    expect(await cloud.members('a')).toEqual(['me.10']);
    expect(await cloud.admin.get(cloud.keys.node('me'))).toBe(entry);
  });

  it('is no matter for the same one, nor for one that follows', async () => {
    for (const number of [1, 2]) {
      await cloud.admin.set(cloud.keys.node('me'), `{"incarnation":"me.${number}"}`);
      expect(await beat({ a: ['', 1000] })).toBe(1);
      expect(Number(await register({ a: ['', 1000] }))).toBeGreaterThan(0);
    }
  });
});

describe('the beat script', () => {
  it('sends the scores, in the order of the services, with the number and the time', async () => {
    await put('a', 'me.2', 990.25);
    await put('b', 'me.2!', -4.5);

    expect(await beat({ b: ['!', 7], a: ['', 1000] }, { number: 41 })).toBe(1);

    const [message] = await inboxes.messages('me.2');
    expect(message).toEqual([1, 'p', expect.any(Number), 41, [-5, 990]]);
    expect(Math.abs(Number(message![2]) - Date.now())).toBeLessThan(10_000);
  });

  it('puts a missing member back with what is free, and sends that', async () => {
    await beat({ a: ['', 998] });

    expect(await cloud.scores('a')).toEqual({ me: 998 });
    expect((await inboxes.messages('me.2'))[0]![4]).toEqual([998]);
  });

  it('renews the entry of a node that serves, and writes none for one that does not', async () => {
    await beat({});
    expect(await cloud.admin.get(cloud.keys.node('me'))).toBe('{"n":2}');
    expect(await cloud.admin.pttl(cloud.keys.node('me'))).toBeGreaterThan(3000);

    await cloud.admin.del(cloud.keys.node('me'));
    await beat({}, { entry: '' });
    expect(await cloud.admin.exists(cloud.keys.node('me'))).toBe(0);
  });

  it('does nothing when the node is deaf', async () => {
    expect(await beat({ a: ['', 1000] }, { inbox: 'me.3' })).toBe(0);

    expect(await cloud.members('a')).toEqual([]);
    expect(await cloud.admin.exists(cloud.keys.node('me'))).toBe(0);
  });

  it('never changes the free capacity of a member that is there', async () => {
    await put('a', 'me.2', 17.000001);
    for (let i = 0; i < 5; i++) await beat({ a: ['', 1000] });
    expect(await cloud.scores('a')).toEqual({ me: 17 });
  });
});
