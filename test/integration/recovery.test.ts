import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { usePrivateCloud } from '../support/cloud.js';
import { Proxy } from '../support/proxy.js';
import { measured, outcome, tally, timeOf, until } from '../support/wait.js';

/** Machines that run tests are busy: what is promised in docs/reliability.md may take so many times as long here. */
const PATIENCE = 2;

const cloud = usePrivateCloud();
let proxy: Proxy | undefined;

afterEach(async () => {
  await proxy?.close();
  proxy = undefined;
});

/** A caller that has calls of all ages out. */
async function busyCaller() {
  const caller = await cloud.connected();
  await caller.send('work');
  return caller;
}

describe('how long it takes', () => {
  it('until a killed node is noticed, and its calls are answered by another or fail: a second', async () => {
    const victim = await cloud.child();
    const caller = await busyCaller();
    const held = Array.from({ length: 10 }, () => caller.send('work', { hold: true }));
    const moving = Array.from({ length: 10 }, () => caller.pemit(2, 'work', { hold: true }));
    await until('all run', () => victim.runs.length === 21);
    const other = await cloud.connected();
    await other.register('work', () => 'other');
    await victim.kill();

    const ended = Promise.all([tally(held), tally(moving)]);
    const ms = await timeOf(ended);

    measured('killed node', ms);
    expect(await ended).toEqual([{ CLOUDS_NODE_LOST: 10 }, { ok: 10 }]);
    expect(ms).toBeLessThan(PATIENCE * 1000);
  });

  it('until all nodes of a service are restarted one by one: however long, no call fails', async () => {
    const children = await Promise.all([cloud.child(), cloud.child(), cloud.child()]);
    const caller = await busyCaller();
    const calls: Promise<unknown>[] = [];
    let isOver = false;
    const load = (async () => {
      for (; !isOver; await delay(2)) calls.push(caller.send('work', { ms: 5 }));
    })();
    for (const child of children) {
      await cloud.child();
      await child.close();
    }
    isOver = true;
    await load;

    expect(await tally(calls)).toEqual({ ok: calls.length });
    expect(calls.length).toBeGreaterThan(100);
  });

  it('until a Redis that was restarted empty is used again: two seconds', async () => {
    const node = await cloud.connected();
    await node.register('work', () => 'done');
    const caller = await busyCaller();
    await cloud.killRedis();
    await until('both know', () => !node.isConnected && !caller.isConnected);
    await cloud.restartRedis();

    const ms = await timeOf(
      until(
        'it serves',
        async () => (await outcome(caller.send('work', 0, { timeout: 200 }))) === 'ok',
      ),
    );

    measured('Redis back, empty', ms);
    expect(ms).toBeLessThan(PATIENCE * 2000);
  });

  it('until a call to a frozen node is answered by another: before its deadline', async () => {
    const victim = await cloud.child();
    const caller = await busyCaller();
    const moving = caller.pemit(2, 'work', { hold: true }, { timeout: 30_000 });
    await until('it runs', () => victim.runs.length === 2);
    const other = await cloud.connected();
    await other.register('work', () => 'other');
    victim.pause();

    const ms = await timeOf(moving);

    measured('frozen node, pemit', ms);
    expect(await moving).toBe('other');
    expect(ms).toBeLessThan(PATIENCE * 4500);
    victim.resume();
  });

  it.each(['node', 'caller'])(
    'until a connection of a %s that carries nothing any more is given up: five seconds',
    async (who) => {
      proxy = await Proxy.start(cloud.url);
      const redis = { url: proxy.url, connectionName: cloud.prefix };
      const one = await cloud.connected({ redis });
      if (who === 'node') await one.register('work', () => 1);
      let isGivenUp = false;
      one.on('reconnecting', () => (isGivenUp = true));
      proxy.stall();

      const ms = await timeOf(until('it is given up', () => isGivenUp));

      measured(`half-open connection of a ${who}`, ms);
      expect(ms).toBeLessThan(PATIENCE * 5000);
      proxy.flow();
      await until('it is back', () => one.isConnected);
      await one.close();
    },
  );

  it('the same while the node enters its services', async () => {
    proxy = await Proxy.start(cloud.url);
    const redis = { url: proxy.url, connectionName: cloud.prefix };
    const node = await cloud.connected({ redis });
    await node.register('work', () => 1);
    proxy.loseRepliesFrom(cloud.keys.node(node.id));
    proxy.cut();
    await until('the connection is gone', () => !node.isConnected);

    const ms = await timeOf(until('it is back', () => node.isConnected));

    measured('half-open connection of a node that enters', ms);
    // Else nothing was lost.
    expect(ms).toBeGreaterThan(2000);
    expect(ms).toBeLessThan(PATIENCE * 5000);
    expect(await node.send('work')).toBe(1);
    await node.close();
  });
});
