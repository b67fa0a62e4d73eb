import { beforeAll, expect, it } from 'vitest';
import { type App, useApps } from '../support/apps.js';
import { until } from '../support/wait.js';

interface Entry {
  handler: string;
  pattern?: string;
}

const apps = useApps();
let services: App[];
let caller: App;

beforeAll(async () => {
  [caller, ...services] = await Promise.all([
    apps.start('caller'),
    apps.start('service', { CLOUDS_GROUP: 'one' }),
    apps.start('service', { CLOUDS_GROUP: 'one' }),
    apps.start('service', { CLOUDS_GROUP: 'two' }),
  ]);
});

async function takenBy(how: 'emit' | 'broadcast', pattern: string, count: number) {
  expect(await caller.ask(how, pattern, { id: 1 })).not.toHaveProperty('error');
  const perService: Entry[][] = services.map(() => []);
  await until(`${count} handlers have run`, async () => {
    for (const [i, service] of services.entries())
      perService[i]!.push(...(await service.ask<Entry[]>('journal')));
    return perService.flat().length >= count;
  });
  return perService;
}

const counts = (perService: readonly Entry[][]) => perService.map(({ length }) => length);

it('an event goes to one replica of every group', async () => {
  const [a, b, other] = counts(await takenBy('emit', 'order.paid', 2));
  expect(a! + b!).toBe(1);
  expect(other).toBe(1);
});

it('a group in the decorator is for its handler, whatever that of the server is', async () => {
  const perService = await takenBy('emit', 'order.shipped', 1);
  expect(perService.flat()).toEqual([{ handler: 'group mail', data: { id: 1 } }]);
});

it('a broadcast reaches every replica', async () => {
  expect(counts(await takenBy('broadcast', 'order.paid', 3))).toEqual([1, 1, 1]);
});

it('a handler of a wildcard learns the name of the event', async () => {
  const entries = (await takenBy('emit', 'audit.login', 2)).flat();
  expect(entries.map(({ pattern }) => pattern)).toEqual(['audit.login', 'audit.login']);
});

it('a request goes to the best node of all groups', async () => {
  const seen = new Set<unknown>();
  await until('every node has had one', async () => {
    const { values } = await caller.ask<{ values: { nodeId: string }[] }>('send', 'context', {});
    seen.add(values[0]!.nodeId);
    return seen.size === 3;
  });
});
