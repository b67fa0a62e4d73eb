import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { CloudsRedisOptions } from '../../lib/common/options.js';
import type { CloudsNode, CloudsOptions, IncomingRequest } from '../../lib/index.js';
import { isRedisReply, Link } from '../../lib/redis/link.js';
import { FAST_BEAT, type TestCloud, useCloud, usePrivateCloud } from '../support/cloud.js';
import { gate, outcome, rejection, tally, timeOf, until, untilCancelled } from '../support/wait.js';

const IGNORED = { value: () => {}, end: () => {}, error: () => {} };

const BUSY_FOR_100_MS = `
  local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end
  local till = now() + 100
  while now() < till do end`;

type Handler = (data: never, request: IncomingRequest) => unknown;

/** What a node sends from now on: quietly, or with a wish for an answer. */
function watchSent(node: CloudsNode) {
  const client = node.ownRedis as Redis;
  const written = vi.spyOn(client.stream, 'write');
  const answered = vi.spyOn(client, 'sendCommand');
  const skips = (text: unknown) => String(text).split('\r\nSKIP\r\n').length - 1;
  const namesOf = () => answered.mock.calls.map(([{ name }]) => name);
  return {
    quiet: () => written.mock.calls.reduce((sum, [text]) => sum + skips(text), 0),
    answered: (name?: string) => namesOf().filter((one) => !name || one === name).length,
  };
}

async function server(cloud: TestCloud, service: string, handler: Handler, options = {}) {
  const node = await cloud.connected({ ...FAST_BEAT, ...options });
  await node.register(service, handler);
  return node;
}

/** A caller that has reached the service. */
async function trustingCaller(cloud: TestCloud, service: string, options: CloudsOptions = {}) {
  const caller = await cloud.connected({ service: { noNodeGrace: 300 }, ...options });
  await caller.send(service);
  return caller;
}

describe('a service that has found its nodes', () => {
  const cloud = useCloud();

  it('is sent a thousand calls that need next to no answers of Redis, nor do their replies', async () => {
    const node = await server(cloud, 'double', (key: number) => 2 * key);
    const caller = await trustingCaller(cloud, 'double');
    const [calls, replies] = [watchSent(caller), watchSent(node)];

    for (let key = 0; key < 1000; key++) expect(await caller.send('double', key)).toBe(2 * key);

    expect(calls.quiet()).toBeGreaterThan(900);
    expect(calls.answered('evalsha')).toBeLessThan(100);
    // Each reply, and the point that is given back.
    expect(replies.quiet()).toBeGreaterThan(1800);
    expect(replies.answered('publish')).toBeLessThan(100);
    await cloud.silence('double', [node]);
  });

  it('answers many calls at once, of several callers and nodes', async () => {
    const nodes = await Promise.all([0, 1, 2].map(() => server(cloud, 'echo', (key) => key)));
    const callers = await Promise.all([0, 1].map(() => trustingCaller(cloud, 'echo')));
    const keys = Array.from({ length: 2000 }, (_, key) => ({ key, text: '名 😀' }));

    const answers = await Promise.all(keys.map((key) => callers[key.key % 2]!.send('echo', key)));

    expect(answers).toEqual(keys);
    await cloud.silence('echo', nodes);
  });

  it('may be one of the caller itself: its own messages come though it wants no answer', async () => {
    const node = await server(cloud, 'self', (key: number) => key + 1);
    await node.send('self', 0);
    const sent = watchSent(node);

    for (let key = 0; key < 200; key++) expect(await node.send('self', key)).toBe(key + 1);
    const together = await Promise.all(
      Array.from({ length: 500 }, (_, key) => node.send('self', key)),
    );

    expect(together).toEqual(Array.from({ length: 500 }, (_, key) => key + 1));
    expect(sent.quiet()).toBeGreaterThan(400);
    await cloud.silence('self', [node]);
  });

  it('may call on: a handler that calls the service of its own node', async () => {
    const node = await server(cloud, 'inner', (key: number) => key + 1);
    await node.register(
      'outer',
      async (key: number) => (await node.send<number>('inner', key)) * 2,
    );
    const caller = await trustingCaller(cloud, 'outer');

    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, key) => caller.send('outer', key)),
    );

    expect(answers).toEqual(Array.from({ length: 100 }, (_, key) => (key + 1) * 2));
    await cloud.silence('outer', [node]);
    await cloud.silence('inner', [node]);
  });

  it('has an answer asked for when calls take their time, and they are answered', async () => {
    const { opened, open } = gate();
    const node = await server(cloud, 'slow', (wait: boolean) => wait && opened.then(() => 'done'));
    const caller = await trustingCaller(cloud, 'slow');
    const sent = watchSent(caller);
    const calls = Array.from({ length: 10 }, () => caller.send('slow', true));
    // The first call leaves at once, the others together.
    await until('it is asked', () => sent.answered('evalsha') === 2);
    expect(sent.quiet()).toBe(2);
    open();

    expect(await Promise.all(calls)).toEqual(Array(10).fill('done'));
    expect(sent.answered('evalsha')).toBe(2);
    await cloud.silence('slow', [node]);
  });

  it('has a call cancelled at its node that is cancelled as soon as it was sent', async () => {
    const aborted: unknown[] = [];
    const node = await server(cloud, 'slow', (wait: boolean, request) => {
      if (!wait) return 'quick';
      request.signal.addEventListener('abort', () => aborted.push(request.id));
      return untilCancelled(request);
    });
    const caller = await trustingCaller(cloud, 'slow');
    const sent = watchSent(caller);
    const cancels = [1, 2, 3].map(() => caller.request('slow', true, {}, IGNORED));
    await turn();
    await turn();
    expect(sent.quiet()).toBe(2);
    for (const cancel of cancels) cancel();

    await until('the handlers know', () => aborted.length === 3);
    expect(caller.stats.inFlight).toBe(0);
    await cloud.silence('slow', [node]);
    expect(node.stats.running).toBe(0);
  });

  it('has a call that times out cancelled at its node', async () => {
    const node = await server(cloud, 'slow', (wait: boolean, request) =>
      wait ? untilCancelled(request) : 'quick',
    );
    const caller = await trustingCaller(cloud, 'slow');
    const calls = Array.from({ length: 20 }, () => caller.send('slow', true, { timeout: 50 }));

    expect(await tally(calls)).toEqual({ CLOUDS_TIMEOUT: 20 });
    await cloud.silence('slow', [node]);
    expect(node.stats.running).toBe(0);
  });

  it('loses its calls within a moment when their node is killed', async () => {
    const victim = await cloud.child();
    const caller = await trustingCaller(cloud, 'work');
    const sent = watchSent(caller);
    const calls = Array.from({ length: 20 }, () => caller.send('work', { hold: true }));
    await until('all run', () => victim.runs.length === 21);
    expect(sent.quiet()).toBeGreaterThan(0);

    const ended = tally(calls);
    const ms = await timeOf(Promise.all([victim.kill(), ended]));

    expect(await ended).toEqual({ CLOUDS_NODE_LOST: 20 });
    expect(ms).toBeLessThan(1500);
    expect(caller.stats.inFlight).toBe(0);
  });

  it('has no node left: CLOUDS_NO_NODE after the grace', async () => {
    const victim = await cloud.child();
    const caller = await trustingCaller(cloud, 'work');
    await victim.kill();

    const call = caller.send('work');
    const ms = await timeOf(call);

    expect(await outcome(call)).toBe('CLOUDS_NO_NODE');
    expect(ms).toBeGreaterThan(280);
    expect(ms).toBeLessThan(1500);
  });

  it('leaves the connection of the application alone, which may block', async () => {
    const node = await server(cloud, 'echo', (key) => key);
    const caller = await trustingCaller(cloud, 'echo');
    const redis = caller.redis as Redis;
    expect(caller.redis).toBe(redis);
    const waiting = redis.blpop(`${cloud.prefix}X`, 5);

    const ms = await timeOf(Promise.all([1, 2, 3].map((key) => caller.send('echo', key))));

    await cloud.admin.rpush(`${cloud.prefix}X`, 'item');
    expect(await waiting).toEqual([`${cloud.prefix}X`, 'item']);
    expect(ms).toBeLessThan(1000);
    await caller.close();
    expect(caller.redis).toBeUndefined();
    await until('it has ended', () => redis.status === 'end');
    await cloud.silence('echo', [node]);
  });

  it('has another node come in the place of the last one', async () => {
    const victim = await cloud.child();
    const caller = await trustingCaller(cloud, 'work', { service: { noNodeGrace: 5000 } });
    await victim.kill();
    const call = caller.send('work');
    const other = await server(cloud, 'work', () => 'here');

    expect(await call).toBe('here');
    await cloud.silence('work', [other]);
  });

  it('keeps its word when the connection of caller or node is cut, again and again', async () => {
    const runs = new Map<number, number>();
    const node = await server(cloud, 'count', (key: number) => {
      runs.set(key, (runs.get(key) ?? 0) + 1);
      return key;
    });
    const caller = await trustingCaller(cloud, 'count', { service: { noNodeGrace: 5000 } });
    runs.clear();
    const calls: Promise<unknown>[] = [];
    for (let round = 0; round < 6; round++) {
      const both = [caller, node];
      await until('both are there', () => both.every(({ isConnected }) => isConnected));
      for (let i = 0; i < 50; i++) calls.push(caller.send('count', calls.length));
      await turn();
      await cloud.cut([both[round % 2]!]);
    }

    const ends = await Promise.all(calls.map(outcome));
    expect(Math.max(...runs.values())).toBe(1);
    // What Redis had not written to the node yet is lost with the node's connection.
    const mayBeLost = (key: number) => Math.floor(key / 50) % 2 === 1 && !runs.has(key);
    const wrong = ends.filter(
      (end, key) => end !== 'ok' && (end !== 'CLOUDS_NODE_LOST' || !mayBeLost(key)),
    );
    expect(wrong).toEqual([]);
    expect(ends.filter((end) => end === 'ok').length).toBeGreaterThanOrEqual(150);
    await cloud.silence('count', [node]);
  });
});

describe('a Redis of its own', () => {
  const cloud = usePrivateCloud();

  it('that has lost its scripts is told them again: calls are late, and run once', async () => {
    let runs = 0;
    const node = await server(cloud, 'work', () => ++runs);
    const caller = await trustingCaller(cloud, 'work');
    await caller.send('work');
    await cloud.admin.script('FLUSH');
    const sent = watchSent(caller);

    const calls = Array.from({ length: 10 }, () => caller.send('work'));
    const ms = await timeOf(Promise.all(calls));

    expect(await tally(calls)).toEqual({ ok: 10 });
    expect(sent.quiet()).toBeGreaterThan(0);
    expect(ms).toBeLessThan(1000);
    expect(runs).toBe(12);
    expect(await caller.send('work')).toBe(13);
    await cloud.silence('work', [node]);
  });

  it('that loses all it has does not make a call run twice', async () => {
    const { opened, open } = gate();
    let runs = 0;
    const node = await server(cloud, 'slow', (wait: boolean) => wait && (runs++, opened));
    const caller = await trustingCaller(cloud, 'slow');
    const sent = watchSent(caller);
    const other = await cloud.connected(FAST_BEAT);
    const call = caller.send('slow', true);
    await until('it runs', () => runs === 1);
    await cloud.admin.flushall();
    await other.register('slow', () => runs++);
    await until('Redis was asked where it is', () => sent.answered('evalsha') > 1);
    open();

    expect(await outcome(call)).toBe('ok');
    expect(runs).toBe(1);
    await cloud.silence('slow', [node, other]);
  });

  it('that does not say where a call is, as its memory is full: it waits, and is answered', async () => {
    const { opened, open } = gate();
    const { opened: isFreed, open: free } = gate();
    const handlers = { first: opened, second: isFreed };
    const node = await server(cloud, 'slow', (key?: keyof typeof handlers) => key && handlers[key]);
    const caller = await trustingCaller(cloud, 'slow');
    const sent = watchSent(caller);
    const calls = [caller.send('slow', 'first'), caller.send('slow', 'second')] as const;
    await cloud.admin.config('SET', 'maxmemory', 1);
    await until('Redis was asked twice where they are', () => sent.answered('evalsha') > 1);

    open();
    expect(await outcome(calls[0])).toBe('ok');
    await cloud.admin.config('SET', 'maxmemory', 0);
    free();
    expect(await outcome(calls[1])).toBe('ok');
    await cloud.silence('slow', [node]);
  });

  it('that does not let a user go without answers gives them', async () => {
    const rules = 'on >pw ~* &* +@all -client|reply'.split(' ');
    await cloud.admin.call('ACL', 'SETUSER', 'few', ...rules);
    const { host } = new URL(cloud.url);
    const redis = { url: `redis://few:pw@${host}`, connectionName: cloud.prefix };
    const node = await server(cloud, 'work', (key) => key, { redis });
    const caller = await cloud.connected({ redis });
    const sent = [watchSent(caller), watchSent(node)];

    for (let key = 0; key < 100; key++) expect(await caller.send('work', key)).toBe(key);
    expect(await node.send('work', 'self')).toBe('self');

    expect(sent.map(({ quiet }) => quiet())).toEqual([0, 0]);
    await cloud.silence('work', [node]);
  });
});

describe('a Redis that answers what should have no answer', () => {
  const cloud = usePrivateCloud();
  const ECHOES = Array.from({ length: 10 }, (_, key) => ['echo', key] as const);

  let opened: Link | undefined;

  afterEach(() => opened?.close());

  async function openLink(redis: CloudsRedisOptions) {
    const link = new Link(redis, 2000);
    opened = link;
    await link.open();
    await until('it may be quiet', () => link.canBeQuiet);
    return link;
  }

  /** A user from whom something can be taken away. */
  async function user() {
    await cloud.admin.call('ACL', 'SETUSER', 'few', ...'on >pw ~* &* +@all'.split(' '));
    const { host } = new URL(cloud.url);
    return { url: `redis://few:pw@${host}`, connectionName: cloud.prefix };
  }

  it('as the user may not go without any more: the connection is cut before an answer is taken for another', async () => {
    const link = await openLink(await user());
    await cloud.admin.call('ACL', 'SETUSER', 'few', '-client|reply');
    link.sendQuietly([['set', 'key', 'quiet', 'PX', 10_000]]);

    const error = await rejection(link.pipeline(ECHOES));

    expect(isRedisReply(error)).toBe(false);
    await once(link, 'up');
    const answers = await link.pipeline(ECHOES);
    expect(answers.map(({ value }) => value)).toEqual(ECHOES.map(([, key]) => String(key)));
    expect(link.canBeQuiet).toBe(false);
  });

  it('in many pieces: not one answer is taken for another', async () => {
    const link = await openLink(await user());
    await cloud.admin.call('ACL', 'SETUSER', 'few', '-client|reply');
    const long = 'x'.repeat(300_000);
    link.sendQuietly([['set', 'key', 'quiet', 'PX', 10_000]]);

    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, key) => link.pipeline([['echo', `${key}${long}`]])),
    );

    for (const answer of answers) expect(answer.status).toBe('rejected');
  });

  it('as a script takes too long: the same', async () => {
    await cloud.admin.config('SET', 'busy-reply-threshold', 10);
    const link = await openLink({ url: cloud.url, connectionName: cloud.prefix });
    const other = cloud.admin.duplicate();
    const busy = other.eval(BUSY_FOR_100_MS, 0);
    const isBusy = async () => (await outcome(cloud.admin.ping())) !== 'ok';
    await until('it is busy', isBusy);
    link.sendQuietly([['set', 'key', 'quiet', 'PX', 10_000]]);

    const error = await rejection(link.pipeline(ECHOES));

    expect(isRedisReply(error)).toBe(false);
    await once(link, 'up');
    await busy;
    other.disconnect();
    await until('it may be quiet again', () => link.canBeQuiet);
    const answers = await link.pipeline(ECHOES);
    expect(answers.map(({ value }) => value)).toEqual(ECHOES.map(([, key]) => String(key)));
  });

  it('as scripts take too long, again and again, is served on', async () => {
    await cloud.admin.config('SET', 'busy-reply-threshold', 10);
    const node = await server(cloud, 'echo', (key) => key);
    const caller = await trustingCaller(cloud, 'echo', { service: { noNodeGrace: 5000 } });
    for (let episode = 0; episode < 10; episode++) {
      const both = [caller, node];
      await until('both are there', () => both.every(({ isConnected }) => isConnected));
      await caller.send('echo', 'trusted again');
      const busy = cloud.admin.eval(BUSY_FOR_100_MS, 0);
      const keys = Array.from({ length: 50 }, (_, key) => `${episode}-${key}`);
      const answers = [];
      for (const key of keys) {
        answers.push(caller.send('echo', key));
        if (answers.length % 5 === 0) await turn();
      }
      expect(await Promise.all(answers)).toEqual(keys);
      await busy;
    }
    await cloud.silence('echo', [node]);
  });
});
