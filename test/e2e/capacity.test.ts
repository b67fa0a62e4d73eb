import { beforeAll, expect, it } from 'vitest';
import { type App, useApps } from '../support/apps.js';

const apps = useApps();
let caller: App;

beforeAll(async () => {
  [, caller] = await Promise.all([apps.start('service'), apps.start('caller')]);
});

type Outcome = { values: number[]; error?: { code: string } };

const burst = (how: object) =>
  Promise.all(
    Array.from({ length: 30 }, () => caller.ask<Outcome>('sendRecord', 'two at once', {}, how)),
  );

it('a handler runs no more at once than its decorator says, and calls may wait for that', async () => {
  const outcomes = await burst({ whenFull: 'wait' });
  for (const { values } of outcomes) expect([1, 2]).toContain(values[0]);
});

it('calls that do not wait are told', async () => {
  const outcomes = await burst({});
  const codes = outcomes.map(({ error }) => error?.code).filter((code) => code !== undefined);
  expect(new Set(codes)).toEqual(new Set(['CLOUDS_OVERLOADED']));
});

it('a decorator that names a transport may say it too', async () => {
  expect(await caller.ask('send', 'one at once', {})).toEqual({ values: ['one at once'] });
  const [score] = (
    await apps.redis.zrange(`${apps.prefix}S:one at once`, '0', '-1', 'WITHSCORES')
  ).slice(1);
  expect(Math.floor(Number(score))).toBe(1);
});
