import { describe, expect, it } from 'vitest';
import type { HistoryEvent } from '../../chaos/history.js';
import { unpromisedEnds } from '../../chaos/promised.js';

function call(key: string, outcome: string, service = 'plain'): HistoryEvent[] {
  const by = 'caller-1#1';
  return [
    {
      ...{ what: 'sent', at: 1, by, key, kind: 'request', service },
      ...{ attempts: 1, timeoutMs: 500, deadlineMs: 500 },
    },
    { what: 'replied', at: 2, by, key, outcome },
  ];
}

const unpromised = (faults: string[], ...history: HistoryEvent[][]) =>
  unpromisedEnds(
    faults.map((name) => ({ name })),
    history.flat(),
    new Set(['tight']),
  );

describe('a fault that strikes alone', () => {
  it('may cost calls what the documentation says, and have some come too late', () => {
    const history = [
      call('a', 'ok'),
      call('b', 'CLOUDS_NODE_LOST'),
      call('c', 'CLOUDS_OVERLOADED', 'tight'),
      call('d', 'CLOUDS_TIMEOUT'),
    ];
    expect(unpromised(['node killed'], ...history)).toEqual([]);
  });

  it.each([
    ['SCRIPT FLUSH', 'CLOUDS_NODE_LOST'],
    ['node killed', 'CLOUDS_DISCONNECTED'],
    ['caller killed', 'CLOUDS_NODE_LOST'],
    ['latency with jitter', 'CLOUDS_NODE_LOST'],
    ['what nobody knows', 'CLOUDS_NODE_LOST'],
  ])('is not kept to its promise: %s, %s', (fault, end) => {
    const history = [call('a', end), call('b', end), call('c', 'ok')];
    expect(unpromised([fault], ...history)).toEqual([`not promised for ${fault}: 2 ${end}`]);
  });

  it('is not judged so when others strike as well', () => {
    expect(unpromised(['SCRIPT FLUSH', 'FLUSHALL'], call('a', 'CLOUDS_NODE_LOST'))).toEqual([]);
  });
});
