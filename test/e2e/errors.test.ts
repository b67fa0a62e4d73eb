import { beforeAll, describe, expect, it } from 'vitest';
import { type App, useApps } from '../support/apps.js';
import { until } from '../support/wait.js';

const apps = useApps();
let service: App;
let caller: App;

beforeAll(async () => {
  [service, caller] = await Promise.all([apps.start('service'), apps.start('caller')]);
});

type Outcome = { values: unknown[]; error: Record<string, unknown> };
const send = (pattern: string) => caller.ask<Outcome>('send', pattern, {});

/** Id of the node of the service. */
async function nodeId(): Promise<string> {
  const { values } = await send('context');
  return (values[0] as { nodeId: string }).nodeId;
}

describe.each([
  'clouds error',
  'clouds error of a guard',
  'clouds error of a pipe',
  'clouds error of an interceptor',
])('a %s', (pattern) => {
  it('arrives as it is, with its node', async () => {
    const { error } = await send(pattern);
    expect(error).toEqual({
      name: 'CloudsOverloadedError',
      code: 'CLOUDS_OVERLOADED',
      message: 'come back later',
      details: { queue: 7 },
      node: await nodeId(),
    });
  });
});

it('an RpcException with a code arrives with what it says, and its node', async () => {
  const { error } = await send('rpc exception with a code');
  const node = await nodeId();
  const details = { sku: 'a1' };
  expect(error).toEqual({
    name: 'Error',
    code: 'OUT_OF_STOCK',
    message: 'none left',
    details,
    retryable: false,
    node,
  });
});

describe('the exported filter', () => {
  it('lets an Error through, without its stack', async () => {
    const { error } = await send('let through');
    const details = { sku: 'a1' };
    expect(error).toEqual({
      name: 'OutOfStock',
      code: 'OUT_OF_STOCK',
      message: 'none left',
      details,
    });
  });

  it('leaves an RpcException as it is in Nest', async () => {
    const { error } = await send('rpc exception, filtered');
    expect(error).toEqual({ status: 'error', message: 'no such user' });
  });
});

it.each([
  ['failing event', 'CloudsOverloadedError'],
  ['failing event, let through', 'OutOfStock'],
])('the error of a handler of a %s is logged once', async (pattern, name) => {
  await service.ask('logged');
  await caller.ask('emit', pattern, {});
  const logged: string[] = [];
  await until('it is logged', async () => {
    logged.push(...(await service.ask<string[]>('logged')));
    return logged.length > 0;
  });
  expect(logged).toEqual([name]);
});
