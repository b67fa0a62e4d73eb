import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { usePrivateCloud } from '../support/cloud.js';
import { tally, until } from '../support/wait.js';

/** With output limits of its own: Redis drops a subscriber that has 32 MiB waiting. */
const cloud = usePrivateCloud();

/** Nothing is read for so long, as if the process were busy, or frozen. */
function standStill(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

async function callerOfLong() {
  await cloud.child({}, ['long']);
  const caller = await cloud.connected();
  await caller.send('long', { bytes: 1 });
  return caller;
}

it('a caller that stands still for a second loses none of 30,000 replies of 3 KB', async () => {
  const caller = await callerOfLong();
  const calls = Array.from({ length: 30_000 }, () =>
    caller.send('long', { bytes: 3000 }, { timeout: 30_000 }),
  );
  await Promise.race(calls);
  standStill(1000);

  expect(await tally(calls)).toEqual({ ok: 30_000 });
  expect(caller.isConnected).toBe(true);
});

it('a caller that stands still for a second loses none of 80,000 values of streams', async () => {
  const caller = await callerOfLong();
  let values = 0;
  const ends: unknown[] = [];
  for (let i = 0; i < 4; i++) {
    caller.request(
      'long',
      { bytes: 1000, values: 20_000 },
      { timeout: 30_000 },
      {
        value: () => values++,
        end: () => ends.push('end'),
        error: (error) => ends.push(error),
      },
    );
  }
  await until('values come', () => values > 0);
  await turn();
  standStill(1000);

  await until('all streams have ended', () => ends.length === 4, 60_000);
  expect(ends).toEqual(Array(4).fill('end'));
  expect(values).toBe(80_000);
});
