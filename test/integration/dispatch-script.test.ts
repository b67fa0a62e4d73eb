import { afterEach, describe, expect, it } from 'vitest';
import { useCloud } from '../support/cloud.js';
import { count, dispatch, frames, Inboxes } from '../support/scripts.js';
import { rejection } from '../support/wait.js';

const cloud = useCloud();
let inboxes: Inboxes | undefined;

afterEach(async () => {
  await inboxes?.close();
  inboxes = undefined;
  await cloud.admin.del(cloud.keys.service('work'));
});

const NO_NODE = 0;
const OVERLOADED = -1;
const ONLY_TRIED = -2;
const PICK_ONLY = '';
const SKIP = '-';

/** Members with these scores, whose inboxes the test listens on. */
async function members(scores: Record<string, number>): Promise<Inboxes> {
  const incarnations = Object.keys(scores).map((member) => member.replace('!', ''));
  inboxes = await Inboxes.open(cloud, ...incarnations);
  await put(scores);
  return inboxes;
}

async function put(scores: Record<string, number>): Promise<void> {
  const flat = Object.entries(scores).flatMap(([member, score]) => [score, member]);
  await cloud.admin.zadd(cloud.keys.service('work'), ...flat);
}

describe('the dispatch script', () => {
  it('publishes to the best node, takes a point, and tells which it was', async () => {
    const listening = await members({ 'a.1': 10, 'b.1': 12, 'c.1': 11 });

    const { placed, redisMs } = await dispatch(cloud, { frames: frames('id') });

    expect(placed).toEqual(['b.1']);
    expect(await cloud.scores('work')).toEqual({ a: 10, b: 11, c: 11 });
    expect(await listening.messages('b.1')).toEqual([
      [1, 'q', redisMs, 'caller.1', 'work', [['id', 60000, 1, 0, 'data']]],
    ]);
    expect(Math.abs(redisMs - Date.now())).toBeLessThan(10_000);
  });

  it('sends all frames for one node in one message, in order', async () => {
    const listening = await members({ 'a.1': 1000 });

    await dispatch(cloud, { frames: frames(1, 2, 3, 4, 5) });

    expect(await listening.messages('a.1')).toHaveLength(1);
    expect(await listening.requests('a.1')).toEqual(['1', '2', '3', '4', '5']);
    expect(await cloud.scores('work')).toEqual({ a: 995 });
  });

  it('spreads a batch level by level: all end with about the same', async () => {
    await members({ 'a.1': 10, 'b.1': 7, 'c.1': 4 });

    const { placed } = await dispatch(cloud, { frames: frames(...Array(12).keys()) });

    // 3 to a alone, 6 to a and b in turn, the other 3 to all.
    expect(count(placed)).toEqual({ 'a.1': 7, 'b.1': 4, 'c.1': 1 });
    expect(placed.slice(0, 3)).toEqual(['a.1', 'a.1', 'a.1']);
    expect(await cloud.scores('work')).toEqual({ a: 3, b: 3, c: 3 });
  });

  it('gives equals in turn to the one that was picked longest ago', async () => {
    // The highest fractions: none of the three was picked yet.
    await members({ 'a.1': 10.9999999, 'b.1': 10.9999999, 'c.1': 10.9999999 });
    const order: unknown[] = [];
    for (let i = 0; i < 9; i++) {
      const { placed } = await dispatch(cloud, { frames: frames(i) });
      order.push(placed[0]);
      const score = await cloud.admin.zincrby(cloud.keys.service('work'), 1, String(placed[0]));
      expect(Math.floor(Number(score))).toBe(10);
    }

    expect(new Set(order.slice(0, 3)).size).toBe(3);
    expect(order.slice(3, 6)).toEqual(order.slice(0, 3));
    expect(order.slice(6, 9)).toEqual(order.slice(0, 3));
  });

  it('says NO_NODE for each request when there is no node', async () => {
    const { placed } = await dispatch(cloud, { frames: frames(1, 2) });

    expect(placed).toEqual([NO_NODE, NO_NODE]);
  });

  it('takes a member that nobody listens for out, and gives its frames to the next in the same run', async () => {
    const listening = await members({ 'a.1': 5, 'b.1': 4 });
    await put({ 'dead.1': 100, 'gone.7': 50 });

    const { placed } = await dispatch(cloud, { frames: frames(1, 2) });

    expect(placed).toEqual(['a.1', expect.stringMatching(/^[ab]\.1$/)]);
    expect((await cloud.members('work')).toSorted()).toEqual(['a.1', 'b.1']);
    expect(
      (await listening.requests('a.1')).length + (await listening.requests('b.1')).length,
    ).toBe(2);
  });

  it('says NO_NODE when all turn out to be dead, and leaves none of them', async () => {
    await put({ 'dead.1': 100, 'gone.7!': 50 });

    const { placed } = await dispatch(cloud, { frames: frames(1, 2, 3) });

    expect(placed).toEqual([NO_NODE, NO_NODE, NO_NODE]);
    expect(await cloud.members('work')).toEqual([]);
  });

  describe('when nodes have a capacity', () => {
    it('fills them to the last slot and no further', async () => {
      await members({ 'a.1!': 2, 'b.1!': 1 });

      const { placed } = await dispatch(cloud, { frames: frames(1, 2, 3, 4, 5) });

      expect(count(placed)).toEqual({ 'a.1!': 2, 'b.1!': 1, [OVERLOADED]: 2 });
      expect(placed.slice(3)).toEqual([OVERLOADED, OVERLOADED]);
      expect(await cloud.scores('work')).toEqual({ a: 0, b: 0 });
    });

    it('publishes to the inbox without the mark', async () => {
      const listening = await members({ 'a.1!': 2 });
      await dispatch(cloud, { frames: frames('id') });
      expect(await listening.requests('a.1')).toEqual(['id']);
    });

    it('goes below zero only with those that have none', async () => {
      await members({ 'a.1!': 1, 'b.1': 1 });

      const { placed } = await dispatch(cloud, { frames: frames(1, 2, 3, 4) });

      expect(count(placed)).toEqual({ 'a.1!': 1, 'b.1': 3 });
      expect(await cloud.scores('work')).toEqual({ a: 0, b: -2 });
    });

    // Known: only as many scores are read as there are frames. Passes when the script looks further.
    it('finds the one without a limit behind those that are full', async () => {
      await members({ 'a.1!': 0, 'b.1!': 0, 'c.1': -5 });

      const { placed } = await dispatch(cloud, { frames: frames(1) });

      expect(placed).toEqual(['c.1']);
    });
  });

  describe('when a request has tried nodes', () => {
    const first = (nodes: string[], again = false) => ({ '1': { nodes, again } });

    it('passes them over, whatever their score', async () => {
      await members({ 'a.1': 100, 'b.1': 50, 'c.1': 1 });

      const { placed } = await dispatch(cloud, { tried: first(['a', 'b']), frames: frames(1, 2) });

      expect(placed).toEqual(['c.1', 'a.1']);
    });

    it('passes over a node under its new incarnation, too', async () => {
      await members({ 'a.2': 100, 'b.1': 50 });

      const { placed } = await dispatch(cloud, { tried: first(['a']), frames: frames(1) });

      expect(placed).toEqual(['b.1']);
    });

    it('says ONLY_TRIED when there is no other', async () => {
      await members({ 'a.1': 100 });

      const { placed } = await dispatch(cloud, { tried: first(['a']), frames: frames(1) });

      expect(placed).toEqual([ONLY_TRIED]);
      expect(await cloud.scores('work')).toEqual({ a: 100 });
    });

    it('goes to one of them again when it may and there is no other', async () => {
      await members({ 'a.1': 100, 'b.1!': 0 });

      const { placed } = await dispatch(cloud, { tried: first(['a'], true), frames: frames(1) });

      expect(placed).toEqual(['a.1']);
    });

    it('prefers another even when it may', async () => {
      await members({ 'a.1': 100, 'b.1': 1 });

      const { placed } = await dispatch(cloud, { tried: first(['a'], true), frames: frames(1) });

      expect(placed).toEqual(['b.1']);
    });

    it('says OVERLOADED when all are full', async () => {
      await members({ 'a.1!': 0, 'b.1!': 0 });

      const { placed } = await dispatch(cloud, { tried: first(['a']), frames: frames(1) });

      expect(placed).toEqual([OVERLOADED]);
    });

    it('takes the dead out and tells the truth about who is left', async () => {
      await members({ 'a.1': 5 });
      await put({ 'dead.1': 100 });

      const { placed } = await dispatch(cloud, { tried: first(['a']), frames: frames(1) });

      expect(placed).toEqual([ONLY_TRIED]);
      expect(await cloud.members('work')).toEqual(['a.1']);
    });
  });

  it('only takes the point for a request whose frame follows', async () => {
    const listening = await members({ 'a.1': 10 });

    const { placed } = await dispatch(cloud, { frames: [PICK_ONLY, ...frames('small')] });

    expect(placed).toEqual(['a.1', 'a.1']);
    expect(await cloud.scores('work')).toEqual({ a: 8 });
    expect(await listening.requests('a.1')).toEqual(['small']);
  });

  it('does nothing for a request that is no longer wanted', async () => {
    const listening = await members({ 'a.1': 10 });

    const { placed } = await dispatch(cloud, { frames: [SKIP, ...frames('wanted'), SKIP] });

    expect(placed).toEqual([NO_NODE, 'a.1', NO_NODE]);
    expect(await cloud.scores('work')).toEqual({ a: 9 });
    expect(await listening.requests('a.1')).toEqual(['wanted']);
  });

  describe('the fence', () => {
    it('makes a batch that is sent twice run once, with the same answer', async () => {
      const listening = await members({ 'a.1': 10, 'b.1': 10 });
      const batch = { sequence: 7_000_001, frames: frames(1, 2, 3) };

      const answer = await dispatch(cloud, batch);
      const scores = await cloud.scores('work');
      await put({ 'a.1': 500 });
      const again = await dispatch(cloud, batch);

      expect(again.text).toBe(answer.text);
      expect(await cloud.scores('work')).toEqual({ ...scores, a: 500 });
      const arrived = [...(await listening.requests('a.1')), ...(await listening.requests('b.1'))];
      expect(arrived.toSorted()).toEqual(['1', '2', '3']);
    });

    it('remembers that there was no node', async () => {
      const batch = { sequence: 7_000_002, frames: frames(1) };
      const answer = await dispatch(cloud, batch);
      await members({ 'a.1': 10 });

      expect((await dispatch(cloud, batch)).text).toBe(answer.text);
    });

    it('keeps an answer until as many later batches have run as it has slots', async () => {
      await members({ 'a.1': 1000 });
      const caller = 'few-slots';
      const run = (sequence: number) =>
        dispatch(cloud, { caller, slots: 4, sequence, frames: frames(sequence) });
      const first = await run(1);
      for (const sequence of [2, 3, 4]) await run(sequence);
      expect((await run(1)).text).toBe(first.text);
      expect(await cloud.scores('work')).toEqual({ a: 996 });

      await run(5);

      expect((await rejection(run(1))).message).toMatch(/^STALE/);
      expect(await cloud.scores('work')).toEqual({ a: 995 });
    });

    it('is one per caller', async () => {
      await members({ 'a.1': 10 });
      await dispatch(cloud, { caller: 'one', sequence: 1, frames: frames(1) });
      await dispatch(cloud, { caller: 'two', sequence: 1, frames: frames(1) });
      expect(await cloud.scores('work')).toEqual({ a: 8 });
    });

    it('lives as long as it was told to', async () => {
      const caller = 'mortal';
      const key = cloud.keys.fence(caller);
      await dispatch(cloud, { caller, ttlMs: 50_000, frames: frames(1) });
      expect(await cloud.admin.pttl(key)).toBeGreaterThan(40_000);
      await cloud.admin.pexpire(key, 30_000);
      await dispatch(cloud, { caller, ttlMs: 0, frames: frames(1) });
      expect(await cloud.admin.pttl(key)).toBeLessThanOrEqual(30_000);
    });
  });

  it('places 500 frames at once', async () => {
    const scores = Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`n${i}.1`, 1000]));
    const listening = await members(scores);

    const { placed } = await dispatch(cloud, { frames: frames(...Array(500).keys()) });

    const counts = Object.values(count(placed));
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    const arrived = await Promise.all(Object.keys(scores).map((one) => listening.requests(one)));
    expect(
      arrived
        .flat()
        .map(Number)
        .toSorted((a, b) => a - b),
    ).toEqual([...Array(500).keys()]);
    expect(await listening.messages('n0.1')).toHaveLength(1);
  });

  it('does not cost more when there are 5,000 nodes', async () => {
    const listening = await members({ 'best.1': 2000, 'second.1': 1999 });
    const key = cloud.keys.service('work');
    for (let i = 0; i < 5000; i += 500) {
      const some = Array.from({ length: 500 }, (_, j) => [1000, `idle${i + j}.1`]).flat();
      await cloud.admin.zadd(key, ...some);
    }
    const run = async () => {
      const start = performance.now();
      for (let i = 0; i < 100; i++) await dispatch(cloud, { frames: frames(i) });
      return performance.now() - start;
    };
    await run();
    const withMany = await run();
    await cloud.admin.zremrangebyscore(key, 0, 1500);
    const withTwo = await run();

    expect((await listening.requests('best.1')).length).toBeGreaterThan(100);
    // Reading all 5,000 would take milliseconds for each run.
    expect(withMany).toBeLessThan(withTwo * 3 + 50);
  });

  it('finds the living among 300 dead, and leaves none of those that it met', async () => {
    const listening = await members({ 'alive.1': 1 });
    await put(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`dead${i}.1`, 1000 + i])));

    const { placed } = await dispatch(cloud, { frames: frames(...Array(20).keys()) });

    expect(new Set(placed)).toEqual(new Set(['alive.1']));
    expect(await listening.requests('alive.1')).toHaveLength(20);
    expect(await cloud.scores('work')).toEqual({ alive: -19 });
  });
});
