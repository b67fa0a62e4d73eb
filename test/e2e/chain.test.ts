import { beforeAll, expect, it } from 'vitest';
import { type App, useApps } from '../support/apps.js';
import { until } from '../support/wait.js';

const apps = useApps();
let back: App;
let caller: App;

beforeAll(async () => {
  const links = ['front', 'middle', 'back'].map((link) => apps.start('link', { LINK: link }));
  [, , back] = (await Promise.all(links)) as [App, App, App];
  caller = await apps.start('caller');
});

const journal = () => back.ask<string[]>('journal');

it('a chain of three services shares one deadline and one set of metadata', async () => {
  const how = { timeout: 5000, headers: { tenant: 'a1' } };
  type Heard = { metadata: unknown; deadline: number };
  const answer = await caller.ask<{ values: [Heard[]] }>('sendRecord', 'front', {}, how);
  const [first, ...others] = answer.values[0];
  expect(first!.metadata).toEqual({ tenant: 'a1', 'x-request-id': 'request 1' });
  expect(first!.deadline - Date.now()).toBeLessThanOrEqual(5000);
  expect(others).toHaveLength(2);
  for (const { metadata, deadline } of others) {
    expect(metadata).toEqual(first!.metadata);
    expect(Math.abs(deadline - first!.deadline)).toBeLessThan(500);
  }
});

it('a caller that gives up stops the last of them', async () => {
  const before = (await journal()).length;
  await caller.ask('begin', 1, 'front', { isEndless: true });
  await until('the last runs', async () => (await journal()).length > before);
  await caller.ask('giveUp', 1);
  await until('the last is cancelled', async () =>
    (await journal()).includes('CloudsCancelledError'),
  );
});

it('an error of the last of them keeps its meaning and its node', async () => {
  type Answer = { error: { code: string; node: string; details: { raisedAt: string } } };
  const { error } = await caller.ask<Answer>('send', 'relay', {});
  expect(error.code).toBe('CLOUDS_OVERLOADED');
  expect(error.node).toBe(error.details.raisedAt);
});
