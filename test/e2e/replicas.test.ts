import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type App, useApps } from '../support/apps.js';
import { until } from '../support/wait.js';

const apps = useApps();
const CALLS = 3000;
const CONCURRENCY = 64;
const STUCK_CALLS = 9;

interface Work {
  data: number;
  nodeId: string;
  attempt: number;
}
interface Outcome<T = Work> {
  values: T[];
  error?: { code?: string; message: string };
}

let caller: App;
let replicas: App[] = [];

beforeEach(async () => {
  [caller, ...replicas] = await Promise.all([
    apps.start('caller'),
    apps.start('replica'),
    apps.start('replica'),
    apps.start('replica', { IS_STUCK: '1' }),
  ]);
});
afterEach(() => apps.end());

function load(attempts: number): Promise<Outcome[]> {
  return caller.ask('load', CALLS, CONCURRENCY, 'work', attempts);
}

/** Resolves when this replica is in the middle of the load. */
async function busy(replica: App): Promise<void> {
  await until('the replica is busy', async () => {
    const journal = await replica.ask<string[]>('journal');
    return journal.length > CALLS / 10;
  });
}

function expectAllAnswered(outcomes: Outcome[]): void {
  expect(outcomes.filter(({ error }) => error)).toEqual([]);
  const answered = outcomes.map(({ values }) => values[0]!.data).sort((a, b) => a - b);
  expect(answered).toEqual(Array.from({ length: CALLS }, (_, index) => index));
}

describe('three replicas', () => {
  it('share the requests, and none runs on two of them', async () => {
    expectAllAnswered(await load(1));
    const journals = await Promise.all(replicas.map((one) => one.ask<string[]>('journal')));
    const all = journals.flat();
    expect(all).toHaveLength(CALLS);
    expect(new Set(all).size).toBe(CALLS);
    for (const journal of journals) expect(journal.length).toBeGreaterThan(CALLS / 6);
  });

  it('lose nothing of pemit(3) when one of them is killed', async () => {
    const loading = load(3);
    await busy(replicas[0]!);
    replicas[0]!.kill('SIGKILL');
    const outcomes = await loading;
    expectAllAnswered(outcomes);
    expect(outcomes.filter(({ values }) => values[0]!.attempt > 1).length).toBeGreaterThan(0);
  });

  it('lose nothing, even of one attempt, when one of them gets SIGTERM; its database lives until it is done', async () => {
    const loading = load(1);
    await busy(replicas[0]!);
    replicas[0]!.kill('SIGTERM');
    expect(await replicas[0]!.ended).toBe('SIGTERM');
    expectAllAnswered(await loading);
  });

  it('answer a call with a timeout and three attempts though one of them is stuck', async () => {
    const record = { attempts: 3, timeout: 200 };
    const calls = Array.from({ length: STUCK_CALLS }, () =>
      caller.ask<Outcome>('sendRecord', 'stuck', {}, record),
    );
    const attempts = (await Promise.all(calls)).map(({ values }) => values[0]?.attempt);
    expect(attempts).toContain(1);
    expect(attempts).toContain(2);
    expect(attempts).not.toContain(undefined);
    expect(await caller.ask('dispatched'), 'runs of the dispatch hook').toBe(STUCK_CALLS);
  });
});
