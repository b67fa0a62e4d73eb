import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useCloud } from '../support/cloud.js';
import { Random, seedOfRun } from '../support/random.js';
import { count, dispatch, epochIn, frames, Inboxes, type Ruled } from '../support/scripts.js';
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
const PERIOD = 2 ** 32;

/** Members with these scores, whose inboxes the test listens on. */
async function members(scores: Record<string, number>): Promise<Inboxes> {
  const incarnations = Object.keys(scores).map((member) => member.replace('!', ''));
  inboxes = await Inboxes.open(cloud, ...incarnations);
  await put(scores);
  return inboxes;
}

/** The fraction of a score whose node was picked long ago: the higher `turn`, the later. */
function oldFraction(turn: number): number {
  return (PERIOD - 1 - turn) / PERIOD;
}

async function put(scores: Record<string, number>): Promise<void> {
  const flat = Object.entries(scores).flatMap(([member, score]) => [score, member]);
  await cloud.admin.zadd(cloud.keys.service('work'), ...flat);
}

describe('a request for all', () => {
  const forAll = (frame: string): Ruled => ({ nodes: [], all: true, frame });

  it('goes to every member, full or not, takes a point of each, and has one answer', async () => {
    const listening = await members({ 'a.1': 10, 'b.1!': 0, 'c.1': 11, 'd.1': -3 });
    const [own] = frames('all');
    const { placed } = await dispatch(cloud, { frames: frames(1), ruled: [forAll(own!)] });
    expect(placed).toEqual(['c.1', expect.any(String)]);
    expect(await cloud.scores('work')).toEqual({ a: 9, b: -1, c: 9, d: -4 });
    expect(await listening.requests('a.1')).toEqual(['all']);
    expect(await listening.requests('b.1')).toEqual(['all']);
    expect(await listening.requests('c.1')).toEqual(['1', 'all']);
    expect(await listening.requests('d.1')).toEqual(['all']);
  });

  it('reaches more members than are read at first', async () => {
    const scores = Array.from({ length: 50 }, (_, i) => [`n${i}.1`, 1000 - i] as const);
    const listening = await members(Object.fromEntries(scores));
    await dispatch(cloud, { ruled: [forAll(frames('all')[0]!)] });
    for (const [incarnation] of scores)
      expect(await listening.requests(incarnation)).toEqual(['all']);
  });

  it('passes over members that are gone, which leave the set, and comes to nobody twice', async () => {
    const listening = await members({ 'a.1': 10 });
    await put({ 'gone.1': 20, 'gone.2': 5 });
    const { placed } = await dispatch(cloud, { ruled: [forAll(frames('all')[0]!)] });
    expect(placed).toEqual(['a.1']);
    expect(await listening.requests('a.1')).toEqual(['all']);
    expect(await cloud.members('work')).toEqual(['a.1']);
  });

  it('reaches whoever is left of more members than Lua has room for', async () => {
    const listening = await members({ 'a.1': 10 });
    const gone = Array.from({ length: 5000 }, (_, i) => [`gone${i}.1`, 5] as const);
    await put(Object.fromEntries(gone));
    const { placed } = await dispatch(cloud, { ruled: [forAll(frames('all')[0]!)] });
    expect(placed).toEqual(['a.1']);
    expect(await listening.requests('a.1')).toEqual(['all']);
    expect(await cloud.members('work')).toEqual(['a.1']);
  });

  it('says so if there is nobody, or only such as are gone', async () => {
    const ruled = [forAll(frames('all')[0]!)];
    expect((await dispatch(cloud, { ruled })).placed).toEqual([NO_NODE]);
    await put({ 'gone.1': 20, 'gone.2': 5 });
    expect((await dispatch(cloud, { ruled })).placed).toEqual([NO_NODE]);
  });
});

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

  it('gives a node requests that follow each other', async () => {
    const listening = await members({ 'a.1': 10, 'b.1': 10, 'c.1': 10 });

    const { placed, text } = await dispatch(cloud, { frames: frames(...Array(9).keys()) });

    expect(text).toMatch(/^\d+\|[abc]\.1\*3,[abc]\.1\*3,[abc]\.1\*3$/);
    for (const [i, member] of [...new Set(placed)].entries()) {
      expect(await listening.messages(String(member))).toHaveLength(1);
      const ids = [0, 1, 2].map((j) => String(3 * i + j));
      expect(await listening.requests(String(member))).toEqual(ids);
    }
  });

  it('leaves every byte of the frames as it is', async () => {
    const listening = await members({ 'a.1': 10, 'b.1': 10, 'c.1': 10 });
    const sent = ['名', '😀', 'é\u2028', '', ',\n', '"],["', '\\', 'x', '\u0000'].map(
      (data, i) => `["${i}",60000,1,{"名":"值"},${JSON.stringify(data)}]`,
    );

    const { redisMs, placed } = await dispatch(cloud, { frames: sent });

    for (const member of ['a.1', 'b.1', 'c.1']) {
      const own = sent.filter((_, i) => placed[i] === member);
      expect(own).toHaveLength(3);
      expect(await listening.texts(member)).toEqual([
        `[1,"q",${redisMs},"caller.1","work",[${own.join(',\n')}]]`,
      ]);
    }
  });

  it('spreads a batch level by level: all end with about the same', async () => {
    await members({ 'a.1': 10, 'b.1': 7, 'c.1': 4 });

    const { placed } = await dispatch(cloud, { frames: frames(...Array(12).keys()) });

    // 3 to a alone, 6 to a and b, the other 3 to all.
    expect(count(placed)).toEqual({ 'a.1': 7, 'b.1': 4, 'c.1': 1 });
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

  it('gives equals in turn to those that were picked longest ago, batch after batch', async () => {
    const nodes = ['a.1', 'b.1', 'c.1', 'd.1', 'e.1', 'f.1', 'g.1'];
    await members(Object.fromEntries(nodes.map((node, i) => [node, 10 + oldFraction(i)])));
    const expected = [...nodes];
    for (const size of [1, 2, 3, 1, 7, 5, 9, 16, 1, 20, 4]) {
      const { placed } = await dispatch(cloud, { frames: frames(...Array(size).keys()) });

      const share = (turn: number) => Math.floor(size / 7) + (turn < size % 7 ? 1 : 0);
      const inTurn = expected.flatMap((one, turn) => Array<string>(share(turn)).fill(one));
      expect(placed, `of ${size}`).toEqual(inTurn);
      expected.push(...expected.splice(0, size % 7));
      for (const [member, points] of Object.entries(count(placed)))
        await cloud.admin.zincrby(cloud.keys.service('work'), points, member);
    }
  });

  it('gives those first that have just come down to the others, in a batch', async () => {
    await members({ 'a.1': 12, 'b.1': 10 + oldFraction(1), 'c.1': 10 + oldFraction(2) });

    const { placed } = await dispatch(cloud, { frames: frames(1, 2, 3, 4) });

    // Two to a alone; b and c then have waited longer.
    expect(count(placed)).toEqual({ 'a.1': 2, 'b.1': 1, 'c.1': 1 });
  });

  it('keeps the order of those that came down together', async () => {
    await members({ 'a.1': 10, 'b.1': 9, 'c.1': 8 });

    const { placed } = await dispatch(cloud, { frames: frames(1, 2, 3, 4, 5) });

    // a, then b and a, then c and b: a was picked after b.
    expect(count(placed)).toEqual({ 'a.1': 2, 'b.1': 2, 'c.1': 1 });
  });

  it('looks as far as it has to, when there are many nodes', async () => {
    const nodes = Array.from({ length: 9 }, (_, i) => `n${i}.1`);
    await members(Object.fromEntries(nodes.map((node) => [node, 10])));

    const { placed } = await dispatch(cloud, { frames: frames(...Array(9).keys()) });

    expect(placed.toSorted()).toEqual(nodes);
  });

  it('finds the best of many nodes for a few requests', async () => {
    const nodes = Array.from({ length: 200 }, (_, i) => `n${i}.1`);
    await members(Object.fromEntries(nodes.map((node, i) => [node, i])));

    const { placed } = await dispatch(cloud, { frames: frames(1, 2, 3) });

    expect(count(placed)).toEqual({ 'n199.1': 2, 'n198.1': 1 });
  });

  it('says NO_NODE for each request when there is no node', async () => {
    const ruled = [{ nodes: ['a'], frame: PICK_ONLY }];
    expect((await dispatch(cloud, { frames: frames(1, 2) })).placed).toEqual([NO_NODE, NO_NODE]);
    expect((await dispatch(cloud, { frames: frames(1) })).placed).toEqual([NO_NODE]);
    expect((await dispatch(cloud, { large: 1, ruled })).placed).toEqual([NO_NODE, NO_NODE]);
  });

  it('takes a member that nobody listens for out, and gives its frames to the next in the same run', async () => {
    const listening = await members({ 'a.1': 5, 'b.1': 4 });
    await put({ 'dead.1': 100, 'gone.7': 50 });

    const { placed } = await dispatch(cloud, { frames: frames(1, 2) });

    expect(count(placed)).toEqual({ 'a.1': 1, 'b.1': 1 });
    expect((await cloud.members('work')).toSorted()).toEqual(['a.1', 'b.1']);
    expect(
      (await listening.requests('a.1')).length + (await listening.requests('b.1')).length,
    ).toBe(2);
  });

  it('does so for a request that comes alone', async () => {
    const listening = await members({ 'a.1': 5, 'b.1!': 4 });
    await put({ 'dead.1!': 100, 'gone.7': 50 });

    expect((await dispatch(cloud, { frames: frames(1) })).placed).toEqual(['a.1']);

    expect(await cloud.scores('work')).toEqual({ a: 4, b: 4 });
    expect(await listening.requests('a.1')).toEqual(['1']);
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

    it('says OVERLOADED to one that comes alone and finds them full', async () => {
      await members({ 'a.1!': 1 });

      expect((await dispatch(cloud, { frames: frames(1) })).placed).toEqual(['a.1!']);
      expect((await dispatch(cloud, { frames: frames(2) })).placed).toEqual([OVERLOADED]);
      expect(await cloud.scores('work')).toEqual({ a: 0 });
    });

    it('finds the one without a limit behind those that are full', async () => {
      await members({ 'a.1!': 0, 'b.1!': 0, 'c.1': -5 });

      const { placed } = await dispatch(cloud, { frames: frames(1) });

      expect(placed).toEqual(['c.1']);
    });
  });

  describe('when a request has tried nodes', () => {
    const ruled = (nodes: string[], again = false) => [
      { nodes, again, frame: frames('ruled')[0]! },
    ];

    it('passes them over, whatever their score', async () => {
      const listening = await members({ 'a.1': 100, 'b.1': 50, 'c.1': 1 });

      const { placed } = await dispatch(cloud, { frames: frames(1), ruled: ruled(['a', 'b']) });

      expect(placed).toEqual(['a.1', 'c.1']);
      expect(await listening.requests('a.1')).toEqual(['1']);
      expect(await listening.requests('c.1')).toEqual(['ruled']);
    });

    it('passes over a node under its new incarnation, too', async () => {
      await members({ 'a.2': 100, 'b.1': 50 });

      const { placed } = await dispatch(cloud, { ruled: ruled(['a']) });

      expect(placed).toEqual(['b.1']);
    });

    it('says ONLY_TRIED when there is no other', async () => {
      await members({ 'a.1': 100 });

      const { placed } = await dispatch(cloud, { ruled: ruled(['a']) });

      expect(placed).toEqual([ONLY_TRIED]);
      expect(await cloud.scores('work')).toEqual({ a: 100 });
    });

    it('goes to one of them again when it may and there is no other', async () => {
      await members({ 'a.1': 100, 'b.1!': 0 });

      const { placed } = await dispatch(cloud, { ruled: ruled(['a'], true) });

      expect(placed).toEqual(['a.1']);
    });

    it('prefers another even when it may', async () => {
      await members({ 'a.1': 100, 'b.1': 1 });

      const { placed } = await dispatch(cloud, { ruled: ruled(['a'], true) });

      expect(placed).toEqual(['b.1']);
    });

    it('says OVERLOADED when all are full', async () => {
      await members({ 'a.1!': 0, 'b.1!': 0 });

      const { placed } = await dispatch(cloud, { ruled: ruled(['a']) });

      expect(placed).toEqual([OVERLOADED]);
    });

    it('takes the dead out and tells the truth about who is left', async () => {
      await members({ 'a.1': 5 });
      await put({ 'dead.1': 100 });

      const { placed } = await dispatch(cloud, { ruled: ruled(['a']) });

      expect(placed).toEqual([ONLY_TRIED]);
      expect(await cloud.members('work')).toEqual(['a.1']);
    });
  });

  describe('when frames follow later', () => {
    it('only takes the points for their requests', async () => {
      const listening = await members({ 'a.1': 10 });
      const ruled = [{ nodes: ['b'], frame: PICK_ONLY }];

      const { placed } = await dispatch(cloud, { frames: frames('small'), large: 2, ruled });

      expect(placed).toEqual(['a.1', 'a.1', 'a.1', 'a.1']);
      expect(await cloud.scores('work')).toEqual({ a: 6 });
      expect(await listening.requests('a.1')).toEqual(['small']);
    });

    it('publishes nothing if there are no others', async () => {
      const listening = await members({ 'a.1': 10, 'b.1': 10 });

      const { placed } = await dispatch(cloud, { large: 4 });

      expect(count(placed)).toEqual({ 'a.1': 2, 'b.1': 2 });
      expect(await listening.messages('a.1')).toEqual([]);
      expect(await listening.messages('b.1')).toEqual([]);
    });

    it('counts them for the balance like all others', async () => {
      const listening = await members({ 'a.1': 10, 'b.1': 10 });

      const { placed } = await dispatch(cloud, { frames: frames(1, 2, 3), large: 5 });

      expect(count(placed)).toEqual({ 'a.1': 4, 'b.1': 4 });
      expect(await listening.requests(String(placed[0]))).toEqual(['1', '2', '3']);
      expect(await listening.messages(String(placed[7]))).toEqual([]);
    });
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

    it('does so for a batch of all kinds of requests, and for one request alone', async () => {
      const listening = await members({ 'a.1': 10, 'b.1!': 2, 'c.1': 1 });
      const rules = [{ nodes: ['a'], frame: frames('ruled')[0]! }];
      const mixed = { frames: frames(1, 2, 3), large: 3, ruled: rules };
      for (const [i, batch] of [mixed, { frames: frames('alone') }].entries()) {
        const sequence = 7_000_010 + i;
        const answer = await dispatch(cloud, { sequence, ...batch });
        const scores = await cloud.scores('work');

        expect((await dispatch(cloud, { sequence, ...batch })).text).toBe(answer.text);
        expect(await cloud.scores('work')).toEqual(scores);
      }
      const arrived = await Promise.all(
        ['a.1', 'b.1', 'c.1'].map((one) => listening.requests(one)),
      );
      expect(arrived.flat().toSorted()).toEqual(['1', '2', '3', 'alone', 'ruled']);
    });

    it('tells a batch without requests what it told the one of that number', async () => {
      await members({ 'a.1': 10 });
      const sequence = 7_000_020;
      const { text } = await dispatch(cloud, { sequence, frames: frames(1, 2, 3) });

      expect((await dispatch(cloud, { sequence })).text).toBe(text);
      expect((await dispatch(cloud, { sequence })).text).toBe(text);
      expect(await cloud.scores('work')).toEqual({ a: 7 });
    });

    it('makes a batch that comes after one without requests, under its number, never run', async () => {
      const listening = await members({ 'a.1': 10 });
      const sequence = 7_000_021;
      await dispatch(cloud, { sequence: sequence - 1, frames: frames(0) });
      const asked = await dispatch(cloud, { sequence });
      expect(asked.text).toMatch(/^\d+\|$/);

      const late = await dispatch(cloud, { sequence, frames: frames(1, 2, 3), large: 1 });

      expect(late.text).toBe(asked.text);
      expect((await dispatch(cloud, { sequence })).text).toBe(asked.text);
      expect(await listening.requests('a.1')).toEqual(['0']);
      expect(await cloud.scores('work')).toEqual({ a: 9 });
    });

    it('does not say of a batch that it has not run when it is not the fence that was there', async () => {
      await members({ 'a.1': 10 });
      const caller = 'robbed';
      const run = (sequence: number, epoch: string, ...ids: number[]) =>
        dispatch(cloud, { caller, sequence, epoch, frames: frames(...ids) });
      expect((await rejection(run(1, 'old'))).message).toMatch(/^LOST/);
      const epoch = epochIn(await run(2, '', 2));

      expect((await rejection(run(1, 'old'))).message).toMatch(/^LOST/);
      await run(3, epoch, 3);
      expect((await rejection(run(1, 'old'))).message).toMatch(/^LOST/);
      expect((await run(4, epoch)).text).toMatch(/^\d+\|$/);
    });

    it('has another epoch whenever it is made, and says it to a batch that names none', async () => {
      await members({ 'a.1': 10 });
      const caller = 'flushed';
      const bounce = (sequence: number) =>
        dispatch(cloud, { caller, sequence, epoch: '', frames: frames(sequence) });
      const epochs: string[] = [];
      for (const sequence of [1, 2, 3]) {
        epochs.push(epochIn(await bounce(sequence)));
        await cloud.admin.del(cloud.keys.fence(caller));
      }
      expect(new Set(epochs).size).toBe(3);
      expect(epochIn(await bounce(4))).toBe(epochIn(await bounce(5)));
    });

    it('does not let a batch run that was sent into another, and says so whenever it is asked', async () => {
      const inboxes = await members({ 'a.1': 10 });
      const caller = 'stranded';
      const run = (sequence: number, epoch: string, ...ids: number[]) =>
        dispatch(cloud, { caller, sequence, epoch, frames: frames(...ids) });
      const old = epochIn(await run(1, '', 1));
      await run(2, old, 2);
      await cloud.admin.del(cloud.keys.fence(caller));

      const epoch = epochIn(await run(3, old, 3));

      expect(epoch).not.toBe(old);
      expect(epochIn(await run(3, old))).toBe(epoch);
      expect(epochIn(await run(3, old, 3))).toBe(epoch);
      await run(4, epoch, 4);
      expect(await inboxes.requests('a.1')).toEqual(['2', '4']);
      expect(await cloud.scores('work')).toEqual({ a: 8 });
    });

    it('lives for ten minutes when it is new, whatever it was told', async () => {
      const caller = 'new';
      await dispatch(cloud, { caller, epoch: '', ttlMs: 0, frames: frames(1) });
      const ttlMs = await cloud.admin.pttl(cloud.keys.fence(caller));
      expect(ttlMs).toBeGreaterThan(590_000);
      expect(ttlMs).toBeLessThanOrEqual(600_000);
    });

    it('lives on with a question, whatever that is answered, and with a batch that comes back', async () => {
      const caller = 'long';
      const key = cloud.keys.fence(caller);
      await dispatch(cloud, { caller, sequence: 1, ttlMs: 50_000, frames: frames(1) });
      const runs = [
        { sequence: 1 },
        { sequence: 2, epoch: 'other' },
        { sequence: 3, epoch: 'other', frames: frames(3) },
      ];
      for (const run of runs) {
        await cloud.admin.pexpire(key, 10_000);
        await dispatch(cloud, { caller, ttlMs: 50_000, ...run }).catch(() => undefined);
        expect(await cloud.admin.pttl(key)).toBeGreaterThan(40_000);
      }
      await dispatch(cloud, { caller, sequence: 4, ttlMs: 0, epoch: 'other', frames: frames(4) });
      expect(await cloud.admin.pttl(key)).toBeLessThanOrEqual(50_000);
    });

    it('refuses a batch without requests that is too late', async () => {
      await members({ 'a.1': 10 });
      const run = (sequence: number, ...ids: number[]) =>
        dispatch(cloud, { caller: 'late', slots: 4, sequence, frames: frames(...ids) });
      await run(1, 1);
      await run(5, 5);

      expect((await rejection(run(1))).message).toMatch(/^STALE/);
      expect(await cloud.scores('work')).toEqual({ a: 8 });
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

describe('whatever the scores are', () => {
  const CASES = 300;
  const SEED = seedOfRun();
  const LIVING = Array.from({ length: 40 }, (_, i) => `n${i}.1`);
  let random: Random;
  let turns = 0;

  beforeEach(() => {
    random = new Random(SEED);
  });

  interface Member {
    readonly name: string;
    readonly isLimited: boolean;
    readonly isDead: boolean;
    free: number;
    /** When it was picked last, in no unit. */
    turn: number;
  }

  /** Members on few levels, so that there are many equals. Nobody listens for those that are dead. */
  function someMembers(mayBeDead: boolean): Member[] {
    const levels = 1 + random.below(random.pick([3, 12, 60]));
    const full = random.below(4);
    return LIVING.slice(0, 1 + random.below(random.pick([4, 12, LIVING.length]))).map(
      (living, i) => {
        const isLimited = random.below(3) === 0;
        const isDead = mayBeDead && random.below(4) === 0;
        const incarnation = isDead ? `dead${i}.1` : living;
        const free = random.below(levels) - full;
        return { name: incarnation + (isLimited ? '!' : ''), isLimited, isDead, free, turn: i };
      },
    );
  }

  /** The script by its name: one request after the other, each to the best. */
  function oneByOne(members: readonly Member[], requests: number): Record<string, number> {
    const placed: string[] = [];
    for (let i = 0; i < requests; i++) {
      const best = members.filter((one) => !isFull(one)).toSorted(byScore)[0];
      placed.push(best?.name ?? String(OVERLOADED));
      if (best) take(best);
    }
    return count(placed);
  }

  function isFull({ isLimited, free }: Member): boolean {
    return isLimited && free < 1;
  }

  function byScore(a: Member, b: Member): number {
    return b.free - a.free || a.turn - b.turn;
  }

  function take(member: Member): void {
    member.free--;
    member.turn = LIVING.length + ++turns;
  }

  /** What a request that has tried these nodes may be answered: of equals, any. */
  function mayGet(members: readonly Member[], { nodes, again }: Ruled): (string | number)[] {
    const open = members.filter((one) => !isFull(one));
    const [fresh, used] = [false, true].map((isTried) =>
      open.filter(({ name }) => nodes.includes(name.split('.')[0]!) === isTried),
    ) as [Member[], Member[]];
    if (fresh.length === 0 && !again) return [used.length > 0 ? ONLY_TRIED : OVERLOADED];
    const among = fresh.length > 0 ? fresh : used;
    if (among.length === 0) return [OVERLOADED];
    const best = Math.max(...among.map(({ free }) => free));
    return among.filter(({ free }) => free === best).map(({ name }) => name);
  }

  function someRules(members: readonly Member[], frame: (i: number) => string): Ruled[] {
    return Array.from({ length: 1 + random.below(6) }, (_, i) => {
      const share = random.pick([1, 2, 4]);
      const tried = members.filter(() => random.below(share) === 0);
      const nodes = ['none', ...tried.map(({ name }) => name.split('.')[0]!)];
      return { nodes, again: random.below(2) === 0, frame: frame(i) };
    });
  }

  const someData = () =>
    Array.from({ length: random.below(20) }, () => random.pick([...'名😀éa\n"\\,[]\u2028'])).join(
      '',
    );
  const manyFrames = (length: number) => frames(...Array(length).keys());
  const incarnationOf = (member: string) => member.replace('!', '');
  const frees = (members: readonly Member[]) =>
    members.map(({ free }) => free).toSorted((a, b) => a - b);

  /** Gives a test many cases: what is in the set, and a name for its failures. */
  async function each(
    mayHaveDead: (i: number) => boolean,
    check: (members: Member[], name: string, i: number) => Promise<void>,
  ): Promise<void> {
    inboxes = await Inboxes.open(cloud, ...LIVING);
    for (let i = 0; i < CASES; i++) {
      const members = someMembers(mayHaveDead(i));
      await put(
        Object.fromEntries(members.map(({ name, free, turn }) => [name, free + oldFraction(turn)])),
      );
      await check(members, `TEST_SEED=${SEED}, case ${i}`, i);
      await cloud.admin.del(cloud.keys.service('work'));
    }
  }

  /** Free capacity by member. */
  async function freeNow(): Promise<Map<string, number>> {
    const flat = await cloud.admin.zrange(cloud.keys.service('work'), '0', '-1', 'WITHSCORES');
    const free = new Map<string, number>();
    for (let i = 0; i < flat.length; i += 2) free.set(flat[i]!, Math.floor(Number(flat[i + 1])));
    return free;
  }

  it('a batch leaves the nodes as full as if its requests had come one by one', async () => {
    await each(
      (i) => i % 2 === 0,
      async (members, name) => {
        const living = members.filter(({ isDead }) => !isDead);
        const requests = 1 + random.below(random.pick([3, 20, 128]));
        // A request that only needs a node does not find out that it is dead.
        const large = living.length < members.length ? 0 : random.below(requests + 1);

        const { placed } = await dispatch(cloud, { frames: manyFrames(requests - large), large });

        const before = new Map(living.map((one) => [one.name, one.free]));
        const expected = oneByOne(living, requests);
        const counts = count(placed);
        const now = await freeNow();
        const nowLiving = living.map((one) => ({ ...one, free: now.get(one.name)! }));
        expect(frees(nowLiving), name).toEqual(frees(living));
        const refused = (counts[OVERLOADED] ?? 0) + (counts[NO_NODE] ?? 0);
        expect(refused, name).toBe(expected[OVERLOADED] ?? 0);
        for (const one of nowLiving)
          expect(before.get(one.name)! - one.free, name).toBe(counts[one.name] ?? 0);
        if (living.length === members.length) return expect(counts, name).toEqual(expected);
        // Of equals some get a request and some do not; all others get as many as one by one.
        for (const one of living) {
          const difference = (counts[one.name] ?? 0) - (expected[one.name] ?? 0);
          expect(Math.abs(difference), name).toBeLessThanOrEqual(1);
        }
      },
    );
  });

  it('those that have tried nodes get the best that is left for them', async () => {
    await each(
      () => false,
      async (members, name) => {
        const plain = random.below(random.pick([1, 20]) + 1);
        const large = random.below(3);
        const ruled = someRules(members, (i) =>
          random.below(3) === 0 ? PICK_ONLY : frames(`ruled${i}`)[0]!,
        );

        const { placed } = await dispatch(cloud, { frames: manyFrames(plain), large, ruled });

        const byName = new Map(members.map((one) => [one.name, one]));
        const follow = (who: string | number) => {
          if (typeof who === 'string') take(byName.get(who)!);
        };
        for (const who of placed.slice(0, plain + large)) follow(who);
        for (const [i, rule] of ruled.entries()) {
          const who = placed[plain + large + i]!;
          expect(mayGet(members, rule), `${name}, rule ${i}`).toContain(who);
          follow(who);
        }
        const now = await freeNow();
        expect(now, name).toEqual(new Map(members.map((one) => [one.name, one.free])));
      },
    );
  });

  it('each frame arrives once, whole, at the node that the answer names', async () => {
    const sent: string[] = [];
    const arrived: string[] = [];
    const frame = (id: string) =>
      `["${id}",${random.below(60_000)},1,0,${JSON.stringify(someData())}]`;
    await each(
      (i) => i % 3 > 0,
      async (members, name, i) => {
        const small = Array.from({ length: random.below(random.pick([2, 10, 60])) }, (_, j) =>
          frame(`${i}-${j}`),
        );
        const large = random.below(4);
        const ruled = random.below(2)
          ? someRules(members, (j) => (random.below(3) ? frame(`${i}-ruled-${j}`) : PICK_ONLY))
          : [];

        const { placed } = await dispatch(cloud, { frames: small, large, ruled });

        expect(placed, name).toHaveLength(small.length + large + ruled.length);
        const texts = [
          ...small,
          ...Array<string>(large).fill(''),
          ...ruled.map((one) => one.frame),
        ];
        for (const [j, text] of texts.entries()) {
          const who = placed[j]!;
          if (typeof who === 'number' || text === PICK_ONLY) continue;
          sent.push(`${incarnationOf(who)} ${text}`);
        }
        const counts = count(placed);
        const before = new Map(members.map((one) => [one.name, one.free]));
        for (const [member, free] of await freeNow())
          expect(before.get(member)! - free, `${name}: ${member}`).toBe(counts[member] ?? 0);
      },
    );
    for (const one of LIVING) {
      const own = await inboxes!.frames(one);
      arrived.push(...own.map((text) => `${one} ${JSON.stringify(text)}`));
    }
    expect(sent.length).toBeGreaterThan(CASES);
    expect(arrived.toSorted(), `TEST_SEED=${SEED}`).toEqual(sent.toSorted());
  });
});
