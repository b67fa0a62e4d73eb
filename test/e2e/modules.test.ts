import { beforeAll, describe, expect, it } from 'vitest';
import { type App, useApps } from '../support/apps.js';

const apps = useApps();
let modules: App;

beforeAll(async () => {
  [modules] = await Promise.all([apps.start('modules'), apps.start('service')]);
});

describe('a client', () => {
  it.each([
    'forRoot',
    'forRootAsync with useFactory',
    'forRootAsync with useClass',
    'forRootAsync with useExisting',
    'forRoot with isGlobal',
    'forRootAsync with isGlobal',
    'ClientsModule.register',
    'ClientsModule.registerAsync',
  ])('made by %s calls', async (way) => {
    expect(await modules.ask('callVia', way, 'sum', [1, 2, 3])).toEqual({ values: [6] });
  });

  it('with options that do not exist is refused with the name of the option', async () => {
    expect(await modules.ask('optionsError')).toMatchObject({
      code: 'CLOUDS_BAD_OPTIONS',
      message: expect.stringContaining('prefixx') as string,
    });
  });
});

describe('a hybrid application', () => {
  it('answers HTTP, serves and calls with one node on one connection', async () => {
    const hybrid = await apps.start('hybrid');
    const response = await fetch(`${await hybrid.ask<string>('url')}/who`);
    const nodeId = await hybrid.ask<string>('nodeId');
    expect(await response.json()).toEqual({ nodeId, callerId: nodeId });
    expect(await apps.members('who')).toEqual([`${nodeId}.1`]);
    expect(await hybrid.end()).toBe(0);
    expect(await apps.members('who')).toEqual([]);
  });
});
