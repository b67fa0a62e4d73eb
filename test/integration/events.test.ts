import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { CloudsNode, CloudsOptions, IncomingRequest } from '../../lib/index.js';
import { FAST_BEAT, useCloud } from '../support/cloud.js';
import { rejection, until } from '../support/wait.js';

const cloud = useCloud();

type Taken = { node: string; event: string; data: unknown };

/** What all the nodes of a test have taken. */
function journal() {
  const entries: Taken[] = [];
  const on = async (pattern: string, options: CloudsOptions & { as?: string } = {}) => {
    const { as = options.group ?? '', ...rest } = options;
    const node = await cloud.connected({ ...FAST_BEAT, ...rest });
    await node.subscribe(pattern, (data: unknown, { service }: IncomingRequest) => {
      entries.push({ node: as, event: service, data });
    });
    return node;
  };
  const takers = () => entries.map(({ node }) => node).sort();
  const untilTaken = (count: number) => until(`${count} are taken`, () => entries.length >= count);
  return { entries, on, takers, untilTaken };
}

/** Every node of the cloud has handled all that was sent to it. */
async function settle(service: string, nodes: readonly CloudsNode[]): Promise<void> {
  await cloud.silence(service, nodes);
}

describe('an event', () => {
  it('goes to one node of a group, again and again to another', async () => {
    const { on, takers, untilTaken } = journal();
    const nodes = [
      await on('user.created', { as: 'a' }),
      await on('user.created', { as: 'b' }),
      await on('user.created', { as: 'c' }),
    ];
    const caller = await cloud.connected(FAST_BEAT);
    for (let i = 0; i < 30; i++) await caller.publish('user.created', { i });
    await untilTaken(30);
    await settle('@/user.created', nodes);
    expect(takers()).toHaveLength(30);
    expect(new Set(takers())).toEqual(new Set(['a', 'b', 'c']));
  });

  it('goes to one node of every group', async () => {
    const { on, takers, untilTaken } = journal();
    await on('user.created', { group: 'mail', as: 'mail' });
    await on('user.created', { group: 'mail', as: 'mail' });
    await on('user.created', { group: 'billing', as: 'billing' });
    await on('user.created', { as: 'default' });
    const caller = await cloud.connected(FAST_BEAT);
    await caller.publish('user.created', 1);
    await untilTaken(3);
    await settle('@mail/user.created', []).catch(() => undefined);
    expect(takers()).toEqual(['billing', 'default', 'mail']);
  });

  it('can be subscribed to by several groups of one node', async () => {
    const node = await cloud.connected(FAST_BEAT);
    const taken: string[] = [];
    for (const group of ['one', 'two'])
      await node.subscribe('tick', () => void taken.push(group), { group });
    await node.publish('tick', 1);
    await until('both have it', () => taken.length === 2);
    expect(taken.sort()).toEqual(['one', 'two']);
  });

  it('reaches a group that is new, at once', async () => {
    const { on, takers, untilTaken } = journal();
    const caller = await cloud.connected(FAST_BEAT);
    for (const group of ['a', 'b', 'c', 'd', 'e']) {
      await on('user.created', { group });
      await caller.publish('user.created', group);
    }
    await untilTaken(15);
    expect(takers()).toEqual([...'aaaaabbbbcccdde']);
  });

  it.each(['é', 'x'])('with much data, of %s, reaches all groups whole', async (character) => {
    const { on, entries, untilTaken } = journal();
    for (const group of ['a', 'b']) await on('big', { group });
    await on('*', { group: 'c' });
    const caller = await cloud.connected(FAST_BEAT);
    const events = Array.from({ length: 5 }, (_, i) => `${i}${character.repeat(200_000)}`);
    await Promise.all(events.map((data) => caller.publish('big', data, { headers: { h: 'x' } })));
    await untilTaken(15);
    const expected = events.flatMap((data) => [data, data, data]);
    expect(entries.map(({ data }) => data).sort()).toEqual(expected);
  });

  it('with much data reaches a group that is new whole, although the others have it before', async () => {
    const { on, entries, untilTaken } = journal();
    await on('big', { group: 'old' });
    const caller = await cloud.connected(FAST_BEAT);
    await caller.publish('big', 'first');
    await on('big', { group: 'new' });
    const data = 'x'.repeat(100_000);
    const published = caller.publish('big', data);
    // What others send meanwhile takes the memory that is free.
    const others = [];
    for (let i = 0; i < 100; i++) {
      others.push(caller.publish('big', String(i % 10).repeat(100_002)));
      await turn();
    }
    await Promise.all([published, ...others]);
    await untilTaken(203);
    expect(entries.filter((one) => one.data === data)).toHaveLength(2);
  });

  it('that nobody takes goes to the service of that name, if there is one', async () => {
    const node = await cloud.connected(FAST_BEAT);
    const taken: unknown[] = [];
    await node.register('sum', (data) => void taken.push(data));
    const caller = await cloud.connected(FAST_BEAT);
    await caller.publish('sum', 1);
    await until('it has it', () => taken.length === 1);
  });

  it('that nobody takes at all fails with CLOUDS_NO_NODE', async () => {
    const caller = await cloud.connected({ ...FAST_BEAT, service: { noNodeGrace: 50 } });
    expect(await rejection(caller.publish('nobody.listens', 1))).toMatchObject({
      code: 'CLOUDS_NO_NODE',
    });
  });

  it('waits for a group that is restarting', async () => {
    const { on, untilTaken } = journal();
    const first = await on('user.created', { group: 'mail' });
    const caller = await cloud.connected(FAST_BEAT);
    await caller.publish('user.created', 1);
    await first.close();
    const published = caller.publish('user.created', 2);
    await on('user.created', { group: 'mail' });
    await published;
    await untilTaken(2);
  });

  it('does not fail for a group that is gone while another takes it; the group is forgotten', async () => {
    const { on, untilTaken } = journal();
    const mail = await on('user.created', { group: 'mail' });
    await on('user.created', { group: 'billing' });
    await mail.close();
    const caller = await cloud.connected({ ...FAST_BEAT, service: { noNodeGrace: 50 } });
    const warnings: string[] = [];
    caller.on('warning', (text) => warnings.push(text));
    await caller.publish('user.created', 1);
    await untilTaken(1);
    await until('it is forgotten', async () => {
      const fields = await cloud.admin.hkeys(cloud.keys.subscriptions);
      return !fields.includes('@mail/user.created');
    });
    await until('there is a warning', () => warnings.length === 1);
    expect(warnings[0]).toContain('group "mail"');
    await on('user.created', { group: 'mail' });
    await caller.publish('user.created', 2);
    await untilTaken(3);
  });

  it('is no longer taken after unsubscribe', async () => {
    const { on, takers } = journal();
    const node = await on('user.created', { group: 'mail' });
    await on('user.created', { group: 'billing' });
    await node.unsubscribe('user.created');
    const caller = await cloud.connected({ ...FAST_BEAT, service: { noNodeGrace: 50 } });
    await caller.publish('user.created', 1);
    expect(takers()).toEqual(['billing']);
  });

  it('that is published while Redis is away is sent when it is back', async () => {
    const { on, untilTaken } = journal();
    await on('user.created', { group: 'mail' });
    const caller = await cloud.connected(FAST_BEAT);
    await cloud.cut([caller]);
    await until('it is away', () => !caller.stats.isConnected);
    await caller.publish('user.created', 1);
    await untilTaken(1);
  });

  it('fails with CLOUDS_CLOSED if the node is closed before it is sent', async () => {
    const caller = await cloud.connected(FAST_BEAT);
    await caller.close();
    expect(await rejection(caller.publish('user.created', 1))).toMatchObject({
      code: 'CLOUDS_CLOSED',
    });
  });

  it('gives back its point in each group', async () => {
    const { on, untilTaken } = journal();
    const nodes = [await on('tick', { group: 'a' }), await on('tick', { group: 'b' })];
    const caller = await cloud.connected(FAST_BEAT);
    await Promise.all(Array.from({ length: 200 }, (_, i) => caller.publish('tick', i)));
    await untilTaken(400);
    await settle('@a/tick', [nodes[0]!]);
    await settle('@b/tick', [nodes[1]!]);
  });

  it('survives that Redis forgets who subscribes: they say so again', async () => {
    const { on, untilTaken } = journal();
    await on('tick', { group: 'a' });
    const caller = await cloud.connected(FAST_BEAT);
    await caller.publish('tick', 1);
    const { subscriptions } = cloud.keys;
    await cloud.admin.del(subscriptions);
    await until('the table is back', async () => (await cloud.admin.exists(subscriptions)) === 1);
    await caller.publish('tick', 2);
    await untilTaken(2);
  });
});

describe('a wildcard', () => {
  it.each([
    ['user.*', ['user.created', 'user.deleted'], ['user', 'user.a.b', 'users.a']],
    ['user.>', ['user.created', 'user.a.b.c'], ['user', 'users.a']],
    ['*.created', ['user.created', 'order.created'], ['user.deleted', 'a.b.created']],
    ['*.*', ['a.b'], ['a', 'a.b.c']],
    ['>', ['a', 'a.b.c'], []],
    ['a.*.c.>', ['a.b.c.d', 'a.x.c.d.e'], ['a.b.c', 'a.b.x.d']],
  ])('%s takes %j and not %j; the handler learns the name', async (pattern, taken, others) => {
    const { on, entries, untilTaken } = journal();
    await on(pattern);
    const caller = await cloud.connected({ ...FAST_BEAT, service: { noNodeGrace: 50 } });
    for (const event of others)
      expect(await rejection(caller.publish(event, 1))).toMatchObject({ code: 'CLOUDS_NO_NODE' });
    for (const event of taken) await caller.publish(event, { event });
    await untilTaken(taken.length);
    expect(entries.map(({ event }) => event).sort()).toEqual([...taken].sort());
    for (const { event, data } of entries) expect(data).toEqual({ event });
  });

  it('is a subscription of its own beside that of the name', async () => {
    const { on, takers, untilTaken } = journal();
    await on('user.created', { as: 'name' });
    await on('user.*', { as: 'star' });
    await on('user.>', { as: 'rest' });
    const caller = await cloud.connected(FAST_BEAT);
    await caller.publish('user.created', 1);
    await untilTaken(3);
    expect(takers()).toEqual(['name', 'rest', 'star']);
  });

  it('takes events of one turn by their names', async () => {
    const { on, entries, untilTaken } = journal();
    await on('user.*');
    const caller = await cloud.connected(FAST_BEAT);
    const names = Array.from({ length: 300 }, (_, i) => `user.${i}`);
    await Promise.all(names.map((name) => caller.publish(name, name)));
    await untilTaken(300);
    expect(entries.every(({ event, data }) => event === data)).toBe(true);
  });

  it('takes signed events', async () => {
    const signing = { keys: ['k'.repeat(32)] };
    const { on, entries, untilTaken } = journal();
    const node = await on('user.*', { signing });
    const caller = await cloud.connected({ ...FAST_BEAT, signing });
    await caller.publish('user.created', 1);
    await untilTaken(1);
    expect(entries[0]).toMatchObject({ event: 'user.created', data: 1 });
    expect(node.stats.dropped).toEqual({});
  });
});

describe('a broadcast', () => {
  it('reaches every node of every group, once', async () => {
    const { on, takers, untilTaken } = journal();
    const nodes = [
      await on('reload', { as: 'a' }),
      await on('reload', { as: 'b' }),
      await on('reload', { group: 'mail', as: 'c' }),
      await on('reload', { group: 'mail', as: 'd' }),
      await on('*', { as: 'e' }),
    ];
    const caller = await cloud.connected(FAST_BEAT);
    await caller.publish('reload', 1, { broadcast: true });
    await untilTaken(5);
    await settle('@/reload', nodes.slice(0, 2));
    await settle('@mail/reload', nodes.slice(2, 4));
    expect(takers()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('with much data does too', async () => {
    const { on, entries, untilTaken } = journal();
    await on('reload', { as: 'a' });
    await on('reload', { as: 'b' });
    const caller = await cloud.connected(FAST_BEAT);
    const data = 'x'.repeat(500_000);
    await caller.publish('reload', data, { broadcast: true });
    await untilTaken(2);
    expect(entries.map((one) => one.data)).toEqual([data, data]);
  });

  it('is not kept from others by a node that is gone', async () => {
    const { on, takers, untilTaken } = journal();
    await on('reload', { as: 'a' });
    await cloud.admin.zadd(cloud.keys.service('@/reload'), 5000, 'gone.1', 10, 'gone.2');
    const caller = await cloud.connected(FAST_BEAT);
    await caller.publish('reload', 1, { broadcast: true });
    await caller.publish('reload', 2, { broadcast: true });
    await untilTaken(2);
    expect(takers()).toEqual(['a', 'a']);
  });

  it('to nobody fails with CLOUDS_NO_NODE', async () => {
    const caller = await cloud.connected({ ...FAST_BEAT, service: { noNodeGrace: 50 } });
    expect(await rejection(caller.publish('reload', 1, { broadcast: true }))).toMatchObject({
      code: 'CLOUDS_NO_NODE',
    });
  });

  it('is no way to call', async () => {
    const caller = await cloud.connected(FAST_BEAT);
    expect(await rejection(caller.send('sum', 1, { broadcast: true }))).toMatchObject({
      code: 'CLOUDS_BAD_OPTIONS',
    });
  });
});

describe('names', () => {
  it.each(['', 'a/b', 'é', 'x'.repeat(65), 5])('a group %j is refused', async (group) => {
    const node = await cloud.connected(FAST_BEAT);
    const subscribed = node.subscribe('tick', () => 1, { group: group as string });
    expect(await rejection(subscribed)).toMatchObject({ code: 'CLOUDS_BAD_OPTIONS' });
  });

  it('a service cannot have the name of a subscription', async () => {
    const node = await cloud.connected(FAST_BEAT);
    expect(await rejection(node.register('@mail/tick', () => 1))).toMatchObject({
      code: 'CLOUDS_BAD_NAME',
    });
    expect(await rejection(node.emit('@/tick', 1))).toMatchObject({ code: 'CLOUDS_BAD_NAME' });
  });

  it('an event may have a star in its name', async () => {
    const { on, entries, untilTaken } = journal();
    await on('user.*');
    const caller = await cloud.connected(FAST_BEAT);
    await caller.publish('user.*', 1);
    await untilTaken(1);
    expect(entries[0]!.event).toBe('user.*');
  });
});
