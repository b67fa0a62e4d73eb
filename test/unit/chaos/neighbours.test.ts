import { describe, expect, it } from 'vitest';
import { FLOOD } from '../../chaos/flood.js';
import type { HistoryEvent } from '../../chaos/history.js';
import { compare, neighboursOf } from '../../chaos/neighbours.js';

const FLOODED = { name: FLOOD, from: 1000, to: 2000 };

const sent = (key: string, at: number): HistoryEvent => ({
  ...{ what: 'sent', at, by: 'caller-1#1', key, kind: 'request', service: 'plain' },
  ...{ attempts: 3, timeoutMs: 500, deadlineMs: 1500 },
});

/** A request that its node did not answer in time. */
function timedOut(key: string, at: number, nodeId: string): HistoryEvent[] {
  const by = 'caller-1#1';
  return [
    sent(key, at),
    { what: 'told', at: at + 510, by, key, id: key, says: 'where it is', nodeId },
    { what: 'replied', at: at + 500, by, key, outcome: 'CLOUDS_TIMEOUT' },
  ];
}

const NODES: HistoryEvent[] = [1, 2].map((number) => ({
  ...{ what: 'joined', at: 0, by: `node-${number}#1`, nodeId: `id-${number}` },
}));

/** A request that was sent at some time and took so long. */
function call(key: string, at: number, ms: number, from = 'node-1#1'): HistoryEvent[] {
  const by = 'caller-1#1';
  return [
    sent(key, at),
    { what: 'dispatched', at, by, key, id: key, attempt: 1 },
    { what: 'replied', at: at + ms, by, key, outcome: 'ok', isOwn: true, from },
  ];
}

const dispatchedAgain = (key: string): HistoryEvent => ({
  ...{ what: 'dispatched', at: 1500, by: 'caller-1#1', key, id: `${key}2`, attempt: 2 },
});

describe('calls beside a frozen node that is flooded', () => {
  it('are told from those at other times', () => {
    const history = [...call('a', 100, 5), ...call('b', 1500, 7), ...call('c', 3000, 6)];
    expect(neighboursOf(history, [FLOODED])).toEqual({ calm: [5, 6], flooded: [7] });
  });

  it('are not looked at while something else is wrong, too', () => {
    const other = { name: 'Redis frozen', from: 1400, to: 1600 };
    const history = [...call('a', 1450, 5), ...call('b', 1700, 7)];
    expect(neighboursOf(history, [FLOODED, other])).toEqual({ calm: [], flooded: [7] });
  });

  it('are not those of the node itself', () => {
    const stalled: HistoryEvent = { what: 'stalled', at: 2000, by: 'node-2#1', ms: 950 };
    const history = [...call('a', 1050, 960, 'node-2#1'), ...call('b', 1050, 9), stalled];
    expect(neighboursOf(history, [FLOODED])).toEqual({ calm: [], flooded: [9] });
  });

  it('are not those that have moved before their time', () => {
    const moved = [...call('a', 1100, 600), dispatchedAgain('a')];
    expect(neighboursOf(moved, [FLOODED]).flooded).toEqual([]);
  });

  it('count with all of their time if it was the time of their first attempt that ended', () => {
    const stalled: HistoryEvent = { what: 'stalled', at: 2000, by: 'node-2#1', ms: 950 };
    const again: HistoryEvent = { ...dispatchedAgain('c'), at: 1900 };
    const moved = [...call('c', 1300, 620), again];
    const history = [...NODES, ...timedOut('a', 1100, 'id-1'), ...moved, stalled];
    expect(neighboursOf(history, [FLOODED]).flooded).toEqual([500, 620]);
  });

  it('are not those that the node itself did not answer in time', () => {
    const stalled: HistoryEvent = { what: 'stalled', at: 2000, by: 'node-2#1', ms: 950 };
    const history = [...NODES, ...timedOut('a', 1100, 'id-2'), stalled];
    expect(neighboursOf(history, [FLOODED]).flooded).toEqual([]);
  });

  it.each([
    [19, false],
    [21, true],
  ])('may take twice as long: %d ms instead of 10', (ms, isWrong) => {
    const seen = { calm: Array<number>(500).fill(10), flooded: Array<number>(500).fill(ms) };
    expect(compare([seen])).toEqual({ calmMs: 10, floodedMs: ms, isWrong });
  });

  it('are not judged when there are few', () => {
    expect(compare([{ calm: Array<number>(500).fill(10), flooded: [100] }])).toBeUndefined();
  });
});
