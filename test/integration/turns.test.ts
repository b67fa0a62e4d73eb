import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { CloudsNode } from '../../lib/index.js';
import { useCloud } from '../support/cloud.js';
import { dispatch, frames, Inboxes } from '../support/scripts.js';
import { gate, outcome, tally, until } from '../support/wait.js';

const cloud = useCloud();
const WAIT = { whenFull: 'wait', timeout: 30_000 } as const;

/** A service that does two calls at once. */
async function narrow(handler: () => unknown = () => delay(10)): Promise<CloudsNode> {
  const node = await cloud.connected();
  await node.register('work', handler, { capacity: 2 });
  return node;
}

/** A process with so many calls that wait, and how many of them were answered. */
async function withCalls(count: number) {
  const node = await cloud.connected();
  const state = { node, answered: 0, calls: [] as Promise<unknown>[] };
  state.calls = Array.from({ length: count }, () =>
    node.send('work', 1, WAIT).then(() => state.answered++),
  );
  return state;
}

/** Nodes that have room for one each, and processes in line, none of which does anything by itself. */
async function withLine(
  nodes: readonly string[],
  waiting: readonly string[],
  act: () => Promise<void>,
): Promise<void> {
  const { admin, keys } = cloud;
  const inboxes = await Inboxes.open(cloud, ...nodes, ...waiting);
  try {
    for (const node of nodes) await admin.zadd(keys.service('work'), 1.5, `${node}!`);
    for (const [i, one] of waiting.entries()) await admin.zadd(keys.line('work'), i + 1, one);
    await act();
  } finally {
    await inboxes.close();
    await admin.del(keys.service('work'), keys.line('work'), keys.fence('caller'));
  }
}

const line = () => cloud.admin.zrange(cloud.keys.line('work'), '0', '-1');

describe('processes that wait for the room of a full service', () => {
  it('take turns, so that one with few calls does not wait for all of one with many', async () => {
    await narrow();
    const many = await withCalls(300);
    await until('it is under way', () => many.answered >= 10);
    const few = await withCalls(20);
    const before = many.answered;

    await Promise.all(few.calls);

    // 20 if the turns are exact.
    expect(many.answered - before).toBeGreaterThan(8);
    expect(many.answered - before).toBeLessThan(60);
    expect(await tally(many.calls)).toEqual({ ok: 300 });
  });

  it('take turns when there are three', async () => {
    await narrow();
    const first = await withCalls(200);
    const second = await withCalls(200);
    await until('both are under way', () => first.answered + second.answered >= 10);
    const few = await withCalls(20);
    const before = [first.answered, second.answered] as const;

    await Promise.all(few.calls);

    for (const [index, { answered }] of [first, second].entries()) {
      expect(answered - before[index]!).toBeGreaterThan(8);
      expect(answered - before[index]!).toBeLessThan(60);
    }
    await Promise.all([...first.calls, ...second.calls]);
  });

  it('have their turn beside one that makes call after call', async () => {
    await narrow();
    const { node: busy } = await withCalls(0);
    let isOver = false;
    const worker = async () => {
      while (!isOver) await busy.send('work', 1, WAIT);
    };
    const load = Promise.all(Array.from({ length: 8 }, worker));
    const { calls } = await withCalls(10);

    expect(await tally(calls)).toEqual({ ok: 10 });
    isOver = true;
    await load;
  });

  it('hear at once of room that another has made', async () => {
    const gates: (() => void)[] = [];
    const hold = () => {
      const { opened, open } = gate();
      gates.push(open);
      return opened;
    };
    await narrow(hold);
    const other = await cloud.connected();
    const late: number[] = [];
    for (let round = 0; round < 4; round++) {
      const held = [other.send('work'), other.send('work')];
      await until('it is full', () => gates.length === 2);
      const { node, calls } = await withCalls(1);
      // Long enough that it asks seldom.
      await delay(600);
      const began = performance.now();
      gates.shift()!();
      await until('it runs', () => gates.length === 2);
      late.push(performance.now() - began);
      for (const open of gates.splice(0)) open();
      await Promise.all([...held, ...calls]);
      await node.close();
    }
    expect(Math.max(...late)).toBeLessThan(60);
  });

  it('do not wait for one that is gone, or that does not come when it is told', async () => {
    await narrow();
    const frozen = await Inboxes.open(cloud, 'frozen.1');
    try {
      const { calls } = await withCalls(50);
      await until('it waits', async () => (await line()).length === 1);
      const [before] = [
        await cloud.admin.zadd(cloud.keys.line('work'), 1, 'dead.1', 2, 'frozen.1'),
      ];
      expect(before).toBe(2);
      const began = performance.now();
      expect(await tally(calls)).toEqual({ ok: 50 });
      expect(performance.now() - began).toBeLessThan(3000);
      expect(await frozen.messages('frozen.1')).toContainEqual(
        expect.arrayContaining([1, 'o', 'work']),
      );
    } finally {
      await frozen.close();
    }
  });

  it('leave to others what is more than one turn for each, however many nodes have it', async () => {
    const nodes = Array.from({ length: 20 }, (_, i) => `node${i}.1`);
    const waiting = Array.from({ length: 5 }, (_, i) => `waits${i}.1`);
    await withLine(nodes, waiting, async () => {
      const { placed } = await dispatch(cloud, { frames: frames(...nodes.keys()) });
      expect(placed.filter((member) => typeof member === 'string')).toHaveLength(15);
    });
  });

  it('keep their place when another call of the same process has got room', async () => {
    await withLine(['node.1'], ['caller.1', 'other.1'], async () => {
      const { placed } = await dispatch(cloud, { frames: frames('plain'), line: [2, 1] });
      expect(placed).toEqual(['node.1!']);
      expect(await line()).toEqual(['other.1', 'caller.1']);
    });
  });

  it('go on when Redis has lost the line', async () => {
    const node = await narrow();
    const [a, b] = [await withCalls(60), await withCalls(60)];
    await until('they are under way', () => a.answered + b.answered > 10);
    await cloud.admin.del(cloud.keys.line('work'));
    expect(await tally([...a.calls, ...b.calls])).toEqual({ ok: 120 });
    await cloud.silence('work', [node], 2);
  });

  it('leave the line when their last call has ended', async () => {
    const held = gate();
    await narrow(() => held.opened);
    const caller = await cloud.connected();
    const running = [caller.send('work'), caller.send('work')];
    const waiting = caller.send('work', 1, { whenFull: 'wait', timeout: 300 });
    await until('it waits', async () => (await line()).length === 1);
    expect(await outcome(waiting)).toBe('CLOUDS_OVERLOADED');
    await until('nobody waits', async () => (await line()).length === 0, 500);
    held.open();
    await Promise.all(running);
    expect(await outcome(caller.send('work'))).toBe('ok');
  });
});
