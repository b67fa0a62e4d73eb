import { beforeAll, describe, expect, it } from 'vitest';
import { MAX_HELD } from '../../lib/node/outgoing-stream.js';
import { WINDOW } from '../../lib/node/stream-window.js';
import { type App, useApps } from '../support/apps.js';
import { until } from '../support/wait.js';

const apps = useApps();
let service: App;
let caller: App;

beforeAll(async () => {
  [service, caller] = await Promise.all([apps.start('service'), apps.start('caller')]);
});

const NUMBERS = [1, 2, 3];
/** A value that waits for room, and one on its way. */
const SMALL = 2;

/** How many values a source had given when it was left. */
async function given(): Promise<number> {
  const journal: unknown[] = [];
  await until('the source is left', async () => {
    journal.push(...(await service.ask<unknown[]>('journal')));
    return journal.length > 0;
  });
  return (journal[0] as { given: number }).given;
}

async function hooksOf(pattern: string): Promise<void> {
  const start = { hook: 'start', pattern };
  const hooked: unknown[] = [];
  await until('both hooks have run', async () => {
    hooked.push(...(await service.ask<unknown[]>('hooked')));
    return hooked.length > 1;
  });
  expect(hooked).toEqual([start, { ...start, hook: 'end' }]);
}

describe.each(['send', 'stream'])('%s', (how) => {
  it.each(['generator', 'promise of generator', 'intercepted generator', 'values'])(
    'gets the values of the handler "%s"; its hooks run once',
    async (pattern) => {
      await service.ask('hooked');
      expect(await caller.ask(how, pattern, NUMBERS)).toEqual({ values: NUMBERS });
      await hooksOf(pattern);
    },
  );

  it.each([
    ['generator that fails', 'enough'],
    ['generator with a plain error', 'Internal server error'],
  ])('gets the error of the handler "%s" as Nest makes it', async (pattern, message) => {
    await service.ask('hooked');
    const error = { status: 'error', message };
    expect(await caller.ask(how, pattern, NUMBERS)).toEqual({ values: [1], error });
    await hooksOf(pattern);
  });

  it('gets CLOUDS_OVERLOADED when an Observable is too fast, which is then unsubscribed', async () => {
    await service.ask('journal');
    await service.ask('hooked');
    const { values, error } = await caller.ask<{ values: unknown[]; error: unknown }>(
      how,
      'hot values',
      {},
    );
    expect(error).toMatchObject({ code: 'CLOUDS_OVERLOADED' });
    expect(values).toEqual([...values.keys()]);
    expect(await given()).toBeLessThanOrEqual(MAX_HELD + WINDOW + SMALL);
    await hooksOf('hot values');
  });
});

describe('an endless generator', () => {
  it('gives no more than a window beyond what was taken, and is ended when the loop is left', async () => {
    await service.ask('journal');
    await service.ask('hooked');
    const taken = await caller.ask('stream', 'endless generator', {}, 100);
    expect(taken).toMatchObject({ values: { length: 100 } });
    expect(await given()).toBeLessThanOrEqual(100 + WINDOW + SMALL);
    await hooksOf('endless generator');
    expect(await caller.ask('stats')).toMatchObject({ inFlight: 0 });
  });

  it('is ended when its caller unsubscribes', async () => {
    await service.ask('journal');
    await caller.ask('begin', 1, 'endless generator', {});
    // It is answered behind the first values.
    await caller.ask('send', 'generator', NUMBERS);
    await caller.ask('giveUp', 1);
    expect(await given()).toBeGreaterThan(0);
  });
});

describe('stream', () => {
  it('takes a record, and runs the dispatch hook when the first value is asked for', async () => {
    const before = await caller.ask<number>('dispatched');
    const { values } = await caller.ask<{ values: unknown[] }>(
      'streamRecord',
      'context',
      {},
      {
        headers: { tenant: 'blue' },
      },
    );
    const request = `request ${before + 1}`;
    expect(values).toMatchObject([{ metadata: { tenant: 'blue', 'x-request-id': request } }]);
  });

  it('without data fails as send does', async () => {
    expect(await caller.ask('stream', 'generator', null)).toEqual(
      await caller.ask('send', 'generator', null),
    );
  });
});

describe('an event', () => {
  it('whose handler is a generator is handled to its end', async () => {
    await service.ask('journal');
    await caller.ask('emit', 'generated event', Array(3 * WINDOW).fill(1));
    await until('it is handled', async () =>
      (await service.ask<unknown[]>('journal')).includes('event handled'),
    );
  });
});
