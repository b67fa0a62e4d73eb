import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { FAST_BEAT, useCloud } from '../support/cloud.js';
import { until, untilCancelled } from '../support/wait.js';

const cloud = useCloud();

it('close() cancels a call that has just been sent quietly, and leaves no fence', async () => {
  const node = await cloud.connected({ ...FAST_BEAT, drainTimeout: 500 });
  let aborted = 0;
  await node.register('slow', (wait: boolean, request) => {
    if (!wait) return 1;
    request.signal.addEventListener('abort', () => aborted++);
    return untilCancelled(request);
  });
  const caller = await cloud.connected();
  await caller.send('slow', false);
  caller.send('slow', true).catch(() => undefined);
  await turn();
  await turn();
  await caller.close();
  expect(await cloud.admin.exists(cloud.keys.fence(caller.id))).toBe(0);
  await until('the handler is cancelled', () => aborted === 1);
});
