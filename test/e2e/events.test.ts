import { beforeAll, expect, it } from 'vitest';
import { type App, useApps } from '../support/apps.js';
import { until } from '../support/wait.js';

const apps = useApps();
let service: App;
let caller: App;

beforeAll(async () => {
  [service, caller] = await Promise.all([apps.start('service'), apps.start('caller')]);
});

/** What the handlers of an event have written down, once there is as much as expected. */
async function journalAfter(pattern: unknown, data: unknown, count: number): Promise<unknown[]> {
  await service.ask('journal');
  expect(await caller.ask('emit', pattern, data)).not.toHaveProperty('error');
  const entries: unknown[] = [];
  await until(`${count} handlers have run`, async () => {
    entries.push(...(await service.ask<unknown[]>('journal')));
    return entries.length >= count;
  });
  return entries;
}

it('an event with a string as its pattern reaches its handler', async () => {
  const data = { id: 1 };
  expect(await journalAfter('user.created', data, 1)).toEqual([{ handler: 'string', data }]);
});

it('an event with an object as its pattern reaches its handler', async () => {
  const [entry] = await journalAfter({ action: 'deleted', event: 'user' }, { id: 1 }, 1);
  const pattern = '{"action":"deleted","event":"user"}';
  expect(entry).toEqual({ handler: 'object', data: { id: 1 }, pattern });
});

it('an event runs all its handlers', async () => {
  const entries = await journalAfter('order.placed', { id: 1 }, 2);
  expect(entries).toEqual(
    expect.arrayContaining([
      { handler: 'billing', data: { id: 1 } },
      { handler: 'shipping', data: { id: 1 } },
    ]),
  );
  expect(entries).toHaveLength(2);
});

it('an event starts and ends the processing hooks once', async () => {
  await service.ask('hooked');
  await journalAfter('order.placed', { id: 1 }, 2);
  const hooked: unknown[] = [];
  await until('the event has ended', async () => {
    hooked.push(...(await service.ask<unknown[]>('hooked')));
    return hooked.length >= 2;
  });
  const start = { hook: 'start', pattern: 'order.placed' };
  expect(hooked).toEqual([start, { ...start, hook: 'end' }]);
});

it('a handler of an event may fail: its node gets the point back and goes on', async () => {
  await journalAfter('event that fails', {}, 1);
  await until('the score is base again', async () => {
    const score = await apps.redis.zrange(
      `${apps.prefix}S:event that fails`,
      '0',
      '-1',
      'WITHSCORES',
    );
    return Math.floor(Number(score[1])) === 1000;
  });
  expect(await journalAfter('user.created', {}, 1)).toHaveLength(1);
});

it('an event that nobody handles fails for the one who emits it', async () => {
  const { error } = await caller.ask<{ error: unknown }>('emit', 'nobody.listens', {});
  expect(error).toMatchObject({ code: 'CLOUDS_NO_NODE' });
});

it.each([
  ['event that fails', 1],
  ['event that fails twice', 2],
])('what the handlers of "%s" throw is reported once each', async (pattern, count) => {
  await service.ask('logged');
  expect(await caller.ask('emit', pattern, {})).not.toHaveProperty('error');
  const logged: unknown[] = [];
  const read = async () => logged.push(...(await service.ask<unknown[]>('logged')));
  await until('it is reported', async () => (await read()) >= count);
  // Whatever else there is to report comes before this event is handled.
  await journalAfter('user.created', {}, 1);
  await read();
  expect(logged).toEqual(Array<string>(count).fill('Error'));
});
