import { beforeAll, describe, expect, it } from 'vitest';
import { type App, useApps } from '../support/apps.js';

const apps = useApps();
let service: App;
let caller: App;

beforeAll(async () => {
  [service, caller] = await Promise.all([apps.start('service'), apps.start('caller')]);
});

const send = (pattern: unknown, data: unknown) => caller.ask('send', pattern, data);

describe('guards', () => {
  it('let through whom they know, by data and context', async () => {
    expect(await send('guarded', { role: 'admin' })).toEqual({ values: ['welcome'] });
  });

  it('refuse everybody else', async () => {
    const error = { status: 'error', message: 'Forbidden resource' };
    expect(await send('guarded', { role: 'guest' })).toEqual({ values: [], error });
  });
});

describe('pipes', () => {
  it('turn data into instances', async () => {
    expect(await send('piped', { name: 'Ada' })).toEqual({ values: ['CreateUser Ada'] });
  });

  it('refuse data that is wrong', async () => {
    const error = { status: 'error', message: ['name must be a string'] };
    expect(await send('piped', { name: 7 })).toEqual({ values: [], error });
  });
});

it('interceptors change results', async () => {
  expect(await send('intercepted', 7)).toEqual({ values: [{ data: 7 }] });
});

it('filters make errors of exceptions', async () => {
  const error = { status: 'error', message: 'none left', pattern: 'filtered' };
  expect(await send('filtered', {})).toEqual({ values: [], error });
});

it('a request-scoped controller is made anew for every request', async () => {
  type Answer = { values: { instance: number; data: number; callId: string }[] };
  const answers = await Promise.all(
    [1, 2, 3].map((data) => caller.ask<Answer>('send', 'request scoped', data)),
  );
  const values = answers.map(({ values }) => values[0]!);
  expect(values.map(({ data }) => data)).toEqual([1, 2, 3]);
  expect(new Set(values.map(({ instance }) => instance)).size).toBe(3);
  expect(new Set(values.map(({ callId }) => callId)).size).toBe(3);
});

describe('processing hooks', () => {
  it.each([
    'sum',
    'undefined',
    'values',
    'values over time',
    'empty',
    'plain error',
    'values, then an error',
    'guarded',
  ])('start and end once for a request to "%s"', async (pattern) => {
    await service.ask('hooked');
    await send(pattern, [1, 2, 3]);
    const start = { hook: 'start', pattern };
    expect(await service.ask('hooked')).toEqual([start, { ...start, hook: 'end' }]);
  });
});
