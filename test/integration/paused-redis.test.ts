import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { usePrivateCloud } from '../support/cloud.js';
import { outcome, timeOf } from '../support/wait.js';

const cloud = usePrivateCloud();

afterEach(() => cloud.closeNodes());

describe('when Redis stands still for longer than an attempt', () => {
  it('the second attempt is answered by the node that has the first one too', async () => {
    const runs: unknown[] = [];
    const node = await cloud.connected();
    await node.register('work', async (key: number) => {
      runs.push(key);
      await delay(200);
      return key;
    });
    const caller = await cloud.connected();
    await caller.send('work', 0);

    await cloud.admin.client('PAUSE', 1500);
    const call = caller.send('work', 1, { timeout: 1000, attempts: 2 });

    expect(await outcome(call)).toBe('ok');
    expect(runs).toEqual([0, 1]);
  });

  it('an event still ends by its timeout, though it takes more than one call', async () => {
    const [node, emitter] = [await cloud.connected(), await cloud.connected()];
    await node.subscribe('news', () => undefined, { group: 'gone' });
    await node.close();

    await cloud.admin.client('PAUSE', 1200);
    const event = emitter.publish('news', 1, { timeout: 1500 });

    // First it looks who there is, then it looks for a node of the group: with a time of its own until 2.7 s.
    expect(await timeOf(event)).toBeLessThan(2300);
    expect(await outcome(event)).not.toBe('ok');
  });
});
