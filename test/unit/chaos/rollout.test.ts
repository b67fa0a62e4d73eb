import { describe, expect, it } from 'vitest';
import { PROCESS_FAULTS } from '../../chaos/faults.js';
import type { HistoryEvent, Sent } from '../../chaos/history.js';
import { lossesOf } from '../../chaos/rollout.js';

const RESTARTS = PROCESS_FAULTS.filter(({ name }) => name.includes('SIGTERM'));
const ROLLOUT = { faults: RESTARTS, isOneByOne: true };

function call(
  key: string,
  service: string,
  outcome: string,
  kind: Sent['kind'] = 'request',
): HistoryEvent[] {
  const by = 'caller-1#1';
  return [
    {
      ...{ what: 'sent', at: 1, by, key, kind, service },
      ...{ attempts: 1, timeoutMs: 500, deadlineMs: 500 },
    },
    { what: 'replied', at: 2, by, key, outcome },
  ];
}

const losses = (plan: Parameters<typeof lossesOf>[0], ...history: HistoryEvent[][]) =>
  lossesOf(plan, history.flat(), ['audit', 'mail']);

function run(key: string, group?: string): HistoryEvent[] {
  return [{ what: 'started', at: 3, by: 'node-1#1', key, id: 'id', attempt: 1, group }];
}

describe('a rollout', () => {
  it('loses nothing when calls are answered', () => {
    const history = [call('a', 'plain', 'ok'), call('b', 'plain', 'thrown')];
    expect(losses(ROLLOUT, ...history)).toEqual([]);
  });

  it.each([
    ['tight', 'CLOUDS_TIMEOUT'],
    ['tight', 'CLOUDS_OVERLOADED'],
    ['plain', 'CLOUDS_OVERLOADED'],
    ['plain', 'CLOUDS_NODE_LOST'],
    ['plain', 'CLOUDS_NO_NODE'],
    ['news', 'CLOUDS_OVERLOADED'],
    ['plain', 'CLOUDS_CANCELLED'],
  ])('has lost a call to %s that ended with %s', (service, outcome) => {
    const history = [call('a', 'plain', 'ok'), call('b', service, outcome)];
    expect(losses(ROLLOUT, ...history)).toEqual([`calls lost in restarts: 1 ${outcome}`]);
  });

  it('loses no event that runs, in each group if it is published', () => {
    const history = [
      call('a', 'plain', 'ok', 'event'),
      run('a'),
      call('b', 'news', 'ok', 'published'),
      run('b', 'mail'),
      run('b', 'audit'),
    ];
    expect(losses(ROLLOUT, ...history)).toEqual([]);
  });

  it('has lost an event that was taken and does not run, or not in each group', () => {
    const history = [
      call('a', 'plain', 'ok', 'event'),
      call('b', 'news', 'ok', 'published'),
      run('b', 'audit'),
      call('c', 'news', 'ok', 'published'),
    ];
    expect(losses(ROLLOUT, ...history)).toEqual([
      'events lost in restarts: 1 for plain',
      'events lost in restarts: 2 for mail',
      'events lost in restarts: 1 for audit',
    ]);
  });

  it.each([
    ['another fault strikes', { ...ROLLOUT, faults: PROCESS_FAULTS }],
    ['restarts overlap', { ...ROLLOUT, isOneByOne: false }],
    ['nothing happens', { ...ROLLOUT, faults: [] }],
  ])('is not what it is when %s', (_, plan) => {
    expect(losses(plan, call('a', 'plain', 'CLOUDS_NODE_LOST'))).toEqual([]);
  });
});
