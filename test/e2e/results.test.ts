import { beforeAll, describe, expect, it } from 'vitest';
import { type App, useApps } from '../support/apps.js';

const apps = useApps();
let service: App;
let caller: App;
let tcpPort: number;

beforeAll(async () => {
  [service, caller] = await Promise.all([apps.start('service'), apps.start('caller')]);
  tcpPort = await service.ask<number>('tcpPort');
});

const NUMBERS = [1, 2, 3];

describe('patterns', () => {
  it.each([
    ['a string', 'sum'],
    ['an object', { service: 'math', cmd: 'sum' }],
    ['the same object with its keys in another order', { cmd: 'sum', service: 'math' }],
    ['the first of several', 'sum.first'],
    ['the second of several', { cmd: 'sum.second' }],
  ])('%s reaches its handler', async (_, pattern) => {
    expect(await caller.ask('send', pattern, NUMBERS)).toEqual({ values: [6] });
  });

  it('a pattern that nobody handles fails with CLOUDS_NO_NODE', async () => {
    const { error } = await caller.ask<{ error: unknown }>('send', 'nobody', NUMBERS);
    expect(error).toMatchObject({ code: 'CLOUDS_NO_NODE', name: 'CloudsNoNodeError' });
  });
});

describe('results', () => {
  it.each([
    ['promise', [6]],
    ['of', [6]],
    ['promise of observable', NUMBERS],
    ['values', NUMBERS],
    ['values over time', NUMBERS],
    ['empty', []],
    ['undefined', []],
    ['a null', [null]],
    ['a false', [false]],
  ])('of the handler "%s" arrive as they are', async (pattern, values) => {
    expect(await caller.ask('send', pattern, NUMBERS)).toEqual({ values });
  });

  it('of pemit are the same as of send', async () => {
    expect(await caller.ask('pemit', 3, 'values', NUMBERS)).toEqual({ values: NUMBERS });
  });
});

describe('errors', () => {
  it.each([
    ['rpc exception of a string', { status: 'error', message: 'no such user' }],
    ['rpc exception of an object', { status: 'error', message: 'no such user', reason: { id: 7 } }],
    ['rejected promise', { status: 'error', message: 'rejected' }],
    ['observable that fails', { status: 'error', message: 'failed' }],
    ['plain error', { status: 'error', message: 'Internal server error' }],
  ])('of the handler "%s" arrive as Nest makes them', async (pattern, error) => {
    expect(await caller.ask('send', pattern, NUMBERS)).toEqual({ values: [], error });
  });

  it('after some values come after these', async () => {
    expect(await caller.ask('send', 'values, then an error', NUMBERS)).toEqual({
      values: [1, 2],
      error: { status: 'error', message: 'broke off' },
    });
  });

  it('are not tried on another node', async () => {
    await service.ask('hooked');
    await caller.ask('pemit', 3, 'plain error', NUMBERS);
    expect(await service.ask('hooked')).toHaveLength(2);
  });
});

describe('what a caller sees', () => {
  it.each([
    'sum',
    'promise',
    'of',
    'promise of observable',
    'values',
    'values over time',
    'empty',
    'undefined',
    'a null',
    'a false',
    'rpc exception of a string',
    'rpc exception of an object',
    'plain error',
    'rejected promise',
    'observable that fails',
    'values, then an error',
  ])('of the handler "%s" is what Nest TCP shows', async (pattern) => {
    const overTcp = await caller.ask('sendOverTcp', tcpPort, pattern, NUMBERS);
    expect(await caller.ask('send', pattern, NUMBERS)).toEqual(overTcp);
  });

  it('of a call without data is what Nest TCP shows', async () => {
    const overTcp = await caller.ask('sendOverTcp', tcpPort, 'sum', null);
    expect(overTcp).toHaveProperty('error');
    expect(await caller.ask('send', 'sum', null)).toEqual(overTcp);
  });
});
