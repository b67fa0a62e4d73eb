import { describe, expect, it } from 'vitest';
import type { IncomingRequest } from '../../lib/index.js';
import { FAST_BEAT, useCloud } from '../support/cloud.js';
import { until, untilCancelled } from '../support/wait.js';

describe('a handler that runs', () => {
  const cloud = useCloud();

  /** Runs until nobody waits any more, one at a time. */
  async function waiting() {
    const signals: AbortSignal[] = [];
    const node = await cloud.connected(FAST_BEAT);
    const handler = (_data: unknown, request: IncomingRequest) => {
      signals.push(request.signal);
      return untilCancelled(request);
    };
    await node.register('wait', handler, { capacity: 1 });
    const program = cloud.program('caller.mjs', { options: cloud.options(FAST_BEAT) });
    await program.heard('ready');
    const runs = () => until('it runs', () => signals.length > 0);
    const isFreed = () => until('it is cancelled', () => signals[0]!.aborted, 20_000);
    return { node, program, runs, isFreed };
  }

  it('is cancelled, and makes room for others, after its time when its caller was killed', async () => {
    const { node, program, runs, isFreed } = await waiting();
    program.tell({ service: 'wait', options: { timeout: 500 } });
    await runs();
    await program.kill();
    await isFreed();
    await cloud.silence('wait', [node], 1);
    expect(node.stats.running).toBe(0);
  });

  it(
    'is cancelled in the end when its caller was killed, though it has an hour',
    { timeout: 30_000 },
    async () => {
      const { node, program, runs, isFreed } = await waiting();
      program.tell({ service: 'wait', options: { timeout: 3_600_000 } });
      await runs();
      await program.kill();
      const killedAt = performance.now();
      await isFreed();
      expect(performance.now() - killedAt).toBeGreaterThan(9000);
      await cloud.silence('wait', [node], 1);
    },
  );
});
