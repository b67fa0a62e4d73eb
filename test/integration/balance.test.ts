import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { CallOptions } from '../../lib/index.js';
import { useCloud } from '../support/cloud.js';
import { gate, outcome, tally, timeOf, until } from '../support/wait.js';

const cloud = useCloud();

/** Three nodes that serve `work` and count what they run. */
async function replicas(handler: (index: number) => unknown = () => 'done') {
  const runs = [0, 0, 0];
  const nodes = await Promise.all(runs.map(() => cloud.connected()));
  for (const [index, node] of nodes.entries()) {
    await node.register('work', () => {
      runs[index]!++;
      return handler(index);
    });
  }
  return { runs, nodes };
}

describe('balance', () => {
  it('gives 300 sequential calls to three idle replicas, 100 each', async () => {
    const { runs } = await replicas();
    const caller = await cloud.connected();
    for (let i = 0; i < 300; i++) await caller.send('work');
    for (const count of runs) expect(Math.abs(count - 100)).toBeLessThanOrEqual(5);
  });

  it('runs each request on exactly one replica', async () => {
    const { runs } = await replicas();
    const caller = await cloud.connected();
    await Promise.all(Array.from({ length: 1000 }, () => caller.send('work')));
    expect(runs.reduce((sum, count) => sum + count)).toBe(1000);
  });

  it('brings every score back to base when the fleet is silent', async () => {
    const held = gate();
    const { nodes } = await replicas(() => held.opened);
    const caller = await cloud.connected();
    const calls = Array.from({ length: 30 }, () => caller.send('work'));
    await until('all 30 run', () => nodes.every((node) => node.stats.running === 10));
    expect(Object.values(await cloud.scores('work'))).toEqual([990, 990, 990]);
    held.open();
    await Promise.all(calls);
    await cloud.silence('work', nodes);
  });

  it('gives a replica that is ten times slower far less, and nobody waits for it in a queue', async () => {
    const { runs, nodes } = await replicas((index) => delay(index === 0 ? 100 : 10));
    const caller = await cloud.connected();
    let left = 400;
    const worker = async () => {
      while (left-- > 0) await caller.send('work');
    };

    await Promise.all(Array.from({ length: 12 }, worker));

    const [slow, ...fast] = runs as [number, number, number];
    expect(slow).toBeLessThan(400 / 5);
    expect(Math.abs(fast[0] - fast[1])).toBeLessThan(80);
    await cloud.silence('work', nodes);
  });

  it('is the same for several callers', async () => {
    const { nodes } = await replicas(() => delay(20));
    const callers = await Promise.all([0, 1, 2, 3].map(() => cloud.connected()));
    const calls = callers.flatMap((caller) =>
      Array.from({ length: 30 }, () => caller.send('work')),
    );
    let most = 0;
    await until('all is placed', () => {
      const running = nodes.map((node) => node.stats.running);
      most = Math.max(most, Math.max(...running) - Math.min(...running));
      return nodes.reduce((sum, node) => sum + node.stats.handled, 0) === 120;
    });
    await Promise.all(calls);
    expect(nodes.map((node) => node.stats.handled)).toEqual([40, 40, 40]);
    expect(most).toBeLessThanOrEqual(40);
  });

  it('gives a node that joins under load its share', async () => {
    const { nodes } = await replicas(() => delay(5));
    const caller = await cloud.connected();
    let isOver = false;
    const worker = async () => {
      while (!isOver) await caller.send('work');
    };
    const load = Promise.all(Array.from({ length: 8 }, worker));
    const late = await cloud.connected();
    await late.register('work', () => delay(5));

    await until('it has its share', () => late.stats.handled >= 50);
    isOver = true;
    await load;
    await cloud.silence('work', [...nodes, late]);
  });
});

describe('a burst of 200 calls on two nodes that take 3 at once', () => {
  async function burst() {
    const most = [0, 0];
    const nodes = await Promise.all(most.map(() => cloud.connected({ capacity: 3 })));
    for (const [index, node] of nodes.entries()) {
      await node.register('work', () => {
        most[index] = Math.max(most[index]!, node.stats.running);
        return delay(10, 'done');
      });
    }
    const caller = await cloud.connected();
    const call = (options: CallOptions) =>
      Array.from({ length: 200 }, () => caller.send('work', 1, options));
    return { most, nodes, caller, call };
  }

  it('is answered when it waits, and no node runs more than it takes', async () => {
    const { most, nodes, call } = await burst();
    expect(await tally(call({ whenFull: 'wait' }))).toEqual({ ok: 200 });
    expect(most).toEqual([3, 3]);
    await cloud.silence('work', nodes, 3);
  });

  it('has CLOUDS_OVERLOADED for the rest when it does not wait', async () => {
    const { most, nodes, call } = await burst();
    expect(await tally(call({}))).toEqual({ ok: 6, CLOUDS_OVERLOADED: 194 });
    expect(most).toEqual([3, 3]);
    await cloud.silence('work', nodes, 3);
  });

  it('waits up to the deadline and no longer', async () => {
    const { nodes, call } = await burst();
    const counts = await tally(call({ whenFull: 'wait', timeout: 150 }));
    expect(counts.ok).toBeGreaterThanOrEqual(6);
    expect(counts.CLOUDS_OVERLOADED).toBeGreaterThan(0);
    await cloud.silence('work', nodes, 3);
  });

  it('has its events taken one after the other too', async () => {
    const { most, nodes, caller } = await burst();
    const events = Array.from({ length: 50 }, () => caller.emit('work', 1, { whenFull: 'wait' }));
    expect(await tally(events)).toEqual({ ok: 50 });
    expect(Math.max(...most)).toBeLessThanOrEqual(3);
    await cloud.silence('work', nodes, 3);
  });

  it('of several callers is answered too', async () => {
    const { nodes, call } = await burst();
    const other = await cloud.connected({ service: { whenFull: 'wait' } });
    const others = Array.from({ length: 100 }, () => other.send('work'));
    expect(await tally([...call({ whenFull: 'wait' }), ...others])).toEqual({ ok: 300 });
    await cloud.silence('work', nodes, 3);
  });
});

describe('a service with a capacity', () => {
  async function narrow(...capacities: (number | undefined)[]) {
    const held = gate();
    const nodes = await Promise.all(capacities.map(() => cloud.connected({ drainTimeout: 100 })));
    for (const [index, node] of nodes.entries()) {
      await node.register('narrow', () => held.opened.then(() => index), {
        capacity: capacities[index],
      });
    }
    const caller = await cloud.connected();
    const running = () => nodes.map((node) => node.stats.running);
    return { held, nodes, caller, running };
  }

  it('has its free slots as its score', async () => {
    const { nodes, caller, held } = await narrow(3);
    await cloud.silence('narrow', nodes, 3);
    const call = caller.send('narrow');
    await until('it runs', () => nodes[0]!.stats.running === 1);
    await cloud.silence('narrow', nodes, 2);
    held.open();
    await call;
    await cloud.silence('narrow', nodes, 3);
  });

  it('fails with CLOUDS_OVERLOADED at once when all its nodes are full', async () => {
    const { held, caller, running } = await narrow(2, 1);
    const calls = Array.from({ length: 3 }, () => caller.send('narrow'));
    await until('all slots are taken', () => running().join() === '2,1');

    const refused = [caller.send('narrow'), caller.send('narrow'), caller.emit('narrow')];
    const ms = await timeOf(Promise.allSettled(refused));

    expect(await tally(refused)).toEqual({ CLOUDS_OVERLOADED: 3 });
    expect(ms).toBeLessThan(500);
    expect(running()).toEqual([2, 1]);
    held.open();
    expect(await tally(calls)).toEqual({ ok: 3 });
  });

  it('takes calls again as soon as a slot is free', async () => {
    const { held, nodes, caller, running } = await narrow(1);
    const first = caller.send('narrow');
    await until('it is full', () => running()[0] === 1);
    expect(await outcome(caller.send('narrow'))).toBe('CLOUDS_OVERLOADED');
    held.open();
    await first;
    await cloud.silence('narrow', nodes, 1);
    expect(await outcome(caller.send('narrow'))).toBe('ok');
  });

  it('lets a pemit wait for a slot and try again', async () => {
    const { held, caller, running } = await narrow(1);
    const first = caller.send('narrow');
    await until('it is full', () => running()[0] === 1);
    const moves: string[] = [];
    caller.on('moved', ({ reason }) => moves.push(reason.code));

    const patient = caller.pemit(-1, 'narrow');
    await until('it was refused twice', () => moves.length >= 2);
    held.open();

    expect(await patient).toBe(0);
    expect(new Set(moves)).toEqual(new Set(['CLOUDS_OVERLOADED']));
    await first;
  });

  it('gives a pemit up when its attempts are used', async () => {
    const { held, caller, running } = await narrow(1);
    const first = caller.send('narrow');
    await until('it is full', () => running()[0] === 1);

    expect(await outcome(caller.pemit(3, 'narrow'))).toBe('CLOUDS_OVERLOADED');

    held.open();
    await first;
  });

  it('next to nodes without one: those take what is too much for it', async () => {
    const { held, nodes, caller, running } = await narrow(5, undefined);
    const calls = Array.from({ length: 50 }, () => caller.send('narrow'));
    await until('all run', () => running().reduce((sum, count) => sum + count) === 50);

    expect(running()[0]).toBeLessThanOrEqual(5);
    held.open();
    expect(await tally(calls)).toEqual({ ok: 50 });
    await until('all scores are base', async () => {
      const scores = await cloud.scores('narrow');
      return scores[nodes[0]!.id] === 5 && scores[nodes[1]!.id] === 1000;
    });
  });

  it('never runs more than it says, whatever the scores say', async () => {
    let running = 0;
    let most = 0;
    const node = await cloud.connected({ capacity: 2, heartbeatInterval: 100 });
    await node.register('narrow', async () => {
      most = Math.max(most, ++running);
      await delay(10);
      running--;
    });
    const caller = await cloud.connected();
    await cloud.admin.zincrby(cloud.keys.service('narrow'), 50, `${node.id}.1!`);

    const counts = await tally(Array.from({ length: 20 }, () => caller.send('narrow')));

    expect(counts).toEqual({ ok: 2, CLOUDS_OVERLOADED: 18 });
    expect(most).toBe(2);
    await cloud.silence('narrow', [node], 2);
  });
});
