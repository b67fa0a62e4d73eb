import { afterEach, describe, expect, it } from 'vitest';
import { useCloud } from '../support/cloud.js';
import { count, dispatch, frames, Inboxes, runScript } from '../support/scripts.js';
import { until } from '../support/wait.js';

const cloud = useCloud();
let inboxes: Inboxes | undefined;

afterEach(async () => {
  await inboxes?.close();
  inboxes = undefined;
  await cloud.admin.del(cloud.keys.service('work'), ...NODES.map((id) => cloud.keys.node(id)));
});

const NODES = ['a', 'b', 'c'];
const TICKS_PER_MS = 250;
const PERIOD_MS = 2000;
/** As shipped, a period is 4.8 hours. */
const shortened = (lua: string) => {
  const changed = lua.replace(
    'local PERIOD = 4294967296',
    `local PERIOD = ${PERIOD_MS * TICKS_PER_MS}`,
  );
  expect(changed).not.toBe(lua);
  return changed;
};

/** How far the present period is, from 0 to 1, by Redis's clock. */
async function phase(): Promise<number> {
  const [seconds, microseconds] = await cloud.admin.time();
  const ms = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
  return (ms % PERIOD_MS) / PERIOD_MS;
}

async function beat(id: string): Promise<void> {
  const keys = [cloud.keys.node(id), cloud.keys.subscriptions, cloud.keys.service('work')];
  const args = [`${id}.1`, cloud.keys.inbox(`${id}.1`), '{}', 5000, 1, '', 1000, ''];
  await runScript(cloud, 'beat', keys, args, shortened);
}

/** One call after the other, each answered before the next: all nodes are idle all the time. */
async function serially(calls: number): Promise<Record<string, number>> {
  const placed: unknown[] = [];
  for (let i = 0; i < calls; i++) {
    const [member] = (await dispatch(cloud, { frames: frames(i), change: shortened })).placed;
    placed.push(member);
    await cloud.admin.zadd(cloud.keys.service('work'), 'XX', 'INCR', 1, String(member));
  }
  return count(placed);
}

async function threeIdleNodes(): Promise<void> {
  inboxes = await Inboxes.open(cloud, ...NODES.map((id) => `${id}.1`));
  await until('a period begins', async () => (await phase()) < 0.2);
  for (const id of NODES) await beat(id);
}

function scoresWithFractions(): Promise<string[]> {
  return cloud.admin.zrange(cloud.keys.service('work'), '0', '-1', 'WITHSCORES');
}

/** Picks until shortly before the end of the period, then waits for the next one. */
async function passTheWrap(): Promise<void> {
  await until('the period is nearly over', async () => (await phase()) > 0.9);
  await serially(6);
  await until('the next period has begun', async () => (await phase()) < 0.3);
}

describe('when the clock of the fractions starts anew', () => {
  it('without a beat, a node picked late in the old period would wait for the whole new one', async () => {
    await threeIdleNodes();
    await passTheWrap();
    await beat('a');

    // Only a was refreshed: the others look as if they had been picked last.
    const counts = await serially(12);

    expect(counts).toEqual({ 'a.1': 12 });
  });

  it('idle nodes share the calls evenly again after a beat', async () => {
    await threeIdleNodes();
    await passTheWrap();
    for (const id of NODES) await beat(id);

    expect(await serially(12)).toEqual({ 'a.1': 4, 'b.1': 4, 'c.1': 4 });
  });

  it('a beat changes nothing for nodes that were picked in the present period', async () => {
    await threeIdleNodes();
    await serially(3);
    const before = await scoresWithFractions();
    for (const id of NODES) await beat(id);

    expect(await scoresWithFractions()).toEqual(before);
  });

  it('a beat in the second half of a period changes nothing', async () => {
    await threeIdleNodes();
    await serially(3);
    await until('the second half has begun', async () => (await phase()) > 0.55);
    const before = await scoresWithFractions();
    for (const id of NODES) await beat(id);

    expect(await scoresWithFractions()).toEqual(before);
  });

  it('free capacities are exact across many periods', async () => {
    await threeIdleNodes();
    const start = performance.now();
    const counts = { calls: 0 };
    await until('two periods are over', async () => {
      await serially(10);
      for (const id of NODES) await beat(id);
      counts.calls += 10;
      return performance.now() - start > 2 * PERIOD_MS;
    });

    expect(await cloud.scores('work')).toEqual({ a: 1000, b: 1000, c: 1000 });
    expect(counts.calls).toBeGreaterThan(100);
  });
});
