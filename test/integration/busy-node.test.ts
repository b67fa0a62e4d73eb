import { expect, it } from 'vitest';
import { useCloud } from '../support/cloud.js';
import { tally, until } from '../support/wait.js';

const cloud = useCloud();
const BUSY_MS = 10;

/** A node whose handler does all of its work at once, and a caller that has reached it. */
async function busyNode() {
  const runs: number[] = [];
  const node = await cloud.connected();
  let reconnects = 0;
  node.on('reconnecting', () => reconnects++);
  await node.register('busy', (key: number) => {
    runs.push(key);
    const end = performance.now() + BUSY_MS;
    while (performance.now() < end);
    return key;
  });
  const child = await cloud.connected();
  return { node, caller: child, runs, reconnects: () => reconnects };
}

it('a node with more work than it can do does what it can, and tells the others in time', async () => {
  const { node, caller, runs, reconnects } = await busyNode();
  // Half a second of its time is for those who wait: 50 calls.
  const calls = Array.from({ length: 500 }, (_, key) =>
    caller.send('busy', key, { timeout: 1000 }),
  );

  const ends = await tally(calls);

  expect(Object.keys(ends).sort()).toEqual(['CLOUDS_OVERLOADED', 'ok']);
  expect(ends.ok).toBeGreaterThan(20);
  // Who is told that it did not run has not run.
  expect(runs.length).toBe(ends.ok);
  expect(reconnects()).toBe(0);
  await cloud.silence('busy', [node]);
});

it('a call that is cancelled while it waits for its start does not run', async () => {
  const { node, caller, runs } = await busyNode();
  const kept = Array.from({ length: 20 }, (_, key) => caller.send('busy', key));
  const sink = { value: () => {}, end: () => {}, error: () => {} };
  const cancel = caller.request('busy', 'cancelled', {}, sink);
  await until('the first runs', () => runs.length > 0);
  cancel();

  expect(await tally(kept)).toEqual({ ok: 20 });
  await cloud.silence('busy', [node]);
  expect(runs).not.toContain('cancelled');
});
