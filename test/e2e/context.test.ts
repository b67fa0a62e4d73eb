import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type App, useApps } from '../support/apps.js';
import { until } from '../support/wait.js';

const apps = useApps();
let service: App;
let caller: App;

beforeAll(async () => {
  [service, caller] = await Promise.all([apps.start('service'), apps.start('caller')]);
});

interface Seen {
  nodeId: string;
  callerId: string;
  callId: string;
  timeLeftMs: number;
  [what: string]: unknown;
}

async function contextOf(how: object): Promise<Seen> {
  const outcome = await caller.ask<{ values: Seen[] }>('sendRecord', 'context', {}, how);
  return outcome.values[0]!;
}

describe('the context of a handler', () => {
  it('says what the message is and where it comes from', async () => {
    const seen = await contextOf({});
    expect(seen).toMatchObject({
      pattern: 'context',
      channel: 'context',
      attempt: 1,
      isAborted: false,
      args: ['context'],
    });
    const { id } = await caller.ask<{ id: string }>('stats');
    expect(seen.callerId).toBe(id);
    expect(seen.callId).toMatch(/^[\w-]{16}$/);
    expect(await apps.members('context')).toEqual([`${seen.nodeId}.1`]);
  });

  it('has the headers of the record together with what the dispatch hook attaches', async () => {
    const { metadata, headers } = await contextOf({ headers: { tenant: 'blue' } });
    const request = `request ${await caller.ask<number>('dispatched')}`;
    expect(metadata).toEqual({ tenant: 'blue', 'x-request-id': request });
    expect(headers).toEqual(metadata);
  });

  it('has the deadline that the record sets', async () => {
    const { timeLeftMs } = await contextOf({ timeout: 3000 });
    expect(timeLeftMs).toBeLessThanOrEqual(3000);
    expect(timeLeftMs).toBeGreaterThan(1000);
  });

  it('is another one for every call', async () => {
    const [first, second] = await Promise.all([contextOf({}), contextOf({})]);
    expect(first.callId).not.toBe(second.callId);
  });
});

describe('who gives up', () => {
  const journal: unknown[] = [];
  const seen = (...entries: string[]) =>
    until(`the handler has noted ${entries.join(', ')}`, async () => {
      journal.push(...(await service.ask<unknown[]>('journal')));
      return entries.every((entry) => journal.includes(entry));
    });
  beforeEach(() => void (journal.length = 0));

  it('unsubscribes the Observable of the handler and fires its signal', async () => {
    await caller.ask('begin', 1, 'endless values', {});
    await seen('subscribed');
    await caller.ask('giveUp', 1);
    await seen('unsubscribed', 'aborted');
  });

  it('fires the signal of a handler that returns a promise', async () => {
    await caller.ask('begin', 2, 'endless promise', {});
    await seen('started');
    await caller.ask('giveUp', 2);
    await seen('aborted');
  });

  it('by a timeout does so too', async () => {
    const outcome = await caller.ask('sendRecord', 'endless promise', {}, { timeout: 200 });
    expect(outcome).toMatchObject({ values: [], error: { code: 'CLOUDS_TIMEOUT' } });
    await seen('started', 'aborted');
  });

  it('ends the processing hooks once', async () => {
    await service.ask('hooked');
    await caller.ask('begin', 3, 'endless values', {});
    await seen('subscribed');
    await caller.ask('giveUp', 3);
    await seen('unsubscribed');
    const pattern = 'endless values';
    expect(await service.ask('hooked')).toEqual([
      { hook: 'start', pattern },
      { hook: 'end', pattern },
    ]);
  });

  it('leaves no call behind', async () => {
    expect(await caller.ask('stats')).toMatchObject({ inFlight: 0 });
  });
});
