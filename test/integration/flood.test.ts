import { describe, expect, it } from 'vitest';
import type { CloudsNode } from '../../lib/index.js';
import { usePrivateCloud } from '../support/cloud.js';
import { outcome, until } from '../support/wait.js';

const MEBIBYTE = 1024 * 1024;
const FLOOD = 600;
/** Other work on the machine slows calls in one round as well; what a flood does, it does in all of them. */
const ROUNDS = 4;
/** A call takes about one: on two cores twice as long as that is not enough for what else they have to do. */
const GRACE_MS = 5;
/** With output limits of its own: Redis drops a subscriber that has 32 MiB waiting. */
const cloud = usePrivateCloud();

/** How long the slowest but one in a hundred of some calls takes, one after the other, in ms. */
async function p99(caller: CloudsNode, service: string, count = 500): Promise<number> {
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
  it(
    'and flooded with more than Redis keeps for it disturbs nobody else, and is back when it wakes',
    { timeout: 120_000 },
    async () => {
      const victim = await cloud.child({}, ['victim']);
      const healthy = await cloud.child({}, ['healthy']);
      const caller = await cloud.connected();
      // In a process of its own: what it costs to make a flood is not what disturbs others.
      const flooder = cloud.program('caller.mjs');
      await flooder.heard('ready');
      await caller.send('healthy');
      const text = 'x'.repeat(100_000);
      const rounds: { before: number; during: number }[] = [];
      const isUndisturbed = () =>
        rounds.some(({ before, during }) => during < 2 * before + GRACE_MS);

      while (rounds.length < ROUNDS && !isUndisturbed()) {
        const before = await p99(caller, 'healthy');
        victim.pause();
        flooder.said.length = 0;
        flooder.tell({
          service: 'victim',
          data: { text },
          options: { timeout: 5000 },
          times: FLOOD,
        });
        await until('Redis has what it will take', async () => (await waitingBytes()) > MEBIBYTE);
        rounds.push({ before, during: await p99(caller, 'healthy') });
        await until('the flood is over', () => flooder.said.length === FLOOD);
        expect(new Set(flooder.said.map(({ error }) => error))).toEqual(
          new Set(['CLOUDS_TIMEOUT']),
        );
        victim.resume();
        await until(
          'it serves',
          async () => (await outcome(caller.send('victim', 0, { timeout: 500 }))) === 'ok',
        );
      }

      expect(isUndisturbed(), JSON.stringify(rounds)).toBe(true);
      expect(await outcome(caller.send('healthy'))).toBe('ok');
      expect(healthy.isRunning).toBe(true);
    },
  );
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
