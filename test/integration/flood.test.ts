import { describe, expect, it } from 'vitest';
import type { CloudsNode } from '../../lib/index.js';
import { usePrivateCloud } from '../support/cloud.js';
import { outcome, until } from '../support/wait.js';

const MEBIBYTE = 1024 * 1024;
/** With output limits of its own: Redis drops a subscriber that has 32 MiB waiting. */
const cloud = usePrivateCloud();

/** How long the slowest but one in a hundred of some calls takes, one after the other, in ms. */
async function p99(caller: CloudsNode, service: string, count = 300): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const began = performance.now();
    await caller.send(service, i, { timeout: 5000 });
    times.push(performance.now() - began);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(0.99 * count)]!;
}

/** What Redis holds for the subscriber that reads least. */
async function waitingBytes(): Promise<number> {
  const clients = (await cloud.admin.client('LIST')) as string;
  return Math.max(...[...clients.matchAll(/ omem=(\d+)/g)].map(([, bytes]) => Number(bytes)));
}

describe('a node that is frozen', () => {
  it('and flooded with more than Redis keeps for it disturbs nobody else, and is back when it wakes', async () => {
    const victim = await cloud.child({}, ['victim']);
    const healthy = await cloud.child({}, ['healthy']);
    const [caller, flooder] = [await cloud.connected(), await cloud.connected()];
    await caller.send('healthy');
    await flooder.send('victim');
    const before = await p99(caller, 'healthy');
    victim.pause();

    const text = 'x'.repeat(100_000);
    const flood = Array.from({ length: 600 }, () =>
      outcome(flooder.send('victim', { text }, { timeout: 5000 })),
    );
    await until('Redis has what it will take', async () => (await waitingBytes()) > MEBIBYTE);
    const during = await p99(caller, 'healthy');

    // Two cores also have the flood to carry: some ms may be its share.
    expect(during).toBeLessThan(2 * before + 20);
    expect(new Set(await Promise.all(flood))).toEqual(new Set(['CLOUDS_TIMEOUT']));
    victim.resume();
    await until(
      'it serves',
      async () => (await outcome(flooder.send('victim', 0, { timeout: 500 }))) === 'ok',
    );
    expect(await outcome(caller.send('healthy'))).toBe('ok');
    expect(healthy.isRunning).toBe(true);
  });
});

describe('a message that is larger than Redis lets a subscriber have', () => {
  it.each([1, 1000, MEBIBYTE, 8 * MEBIBYTE, 31 * MEBIBYTE, 40 * MEBIBYTE])(
    'costs the node its connection at most: %d bytes',
    async (bytes) => {
      const node = await cloud.connected();
      await node.register('work', () => 'done');
      const caller = await cloud.connected();
      await caller.send('work');
      const [member] = await cloud.members('work');

      await cloud.admin.publish(cloud.keys.inbox(member!), Buffer.alloc(bytes, '['));

      expect(await outcome(caller.send('work', 0, { timeout: 5000 }))).toBe('ok');
      expect(node.stats.running).toBe(0);
      await cloud.silence('work', [node]);
    },
  );

  it.each([
    [1, 'ok'],
    [MEBIBYTE - 2, 'ok'],
    [MEBIBYTE, 'CLOUDS_PAYLOAD_TOO_LARGE'],
    [40 * MEBIBYTE, 'CLOUDS_PAYLOAD_TOO_LARGE'],
  ])('is not sent in the first place: data of %d bytes, %s', async (bytes, expected) => {
    const node = await cloud.connected();
    await node.register('length', (text: string) => text.length);
    expect(await outcome(node.send('length', 'x'.repeat(bytes)))).toBe(expected);
    await cloud.silence('length', [node]);
  });
});
