import { describe, expect, it } from 'vitest';
import { check } from '../../chaos/checker.js';
import type {
  Dispatched,
  Ended,
  HistoryEvent,
  Replied,
  Sent,
  Started,
} from '../../chaos/history.js';

const KEY = 'caller#1:1';
const CALLER = 'caller#1';
const NODE = 'node#1';

const sent = (over: Partial<Sent> = {}): Sent => ({
  what: 'sent',
  at: 0,
  by: CALLER,
  key: KEY,
  kind: 'request',
  attempts: 1,
  deadlineMs: 1000,
  ...over,
});
const attempt = { at: 10, key: KEY, id: 'id', attempt: 1 };
const dispatched = (over: Partial<Dispatched> = {}): Dispatched => ({
  ...attempt,
  what: 'dispatched',
  by: CALLER,
  ...over,
});
const started = (over: Partial<Started> = {}): Started => ({
  ...attempt,
  what: 'started',
  by: NODE,
  at: 20,
  ...over,
});
const ended = (over: Partial<Ended> = {}): Ended => ({
  ...attempt,
  what: 'ended',
  by: NODE,
  at: 30,
  isError: false,
  ...over,
});
const replied = (outcome = 'ok', over: Partial<Replied> = {}): Replied => ({
  what: 'replied',
  at: 40,
  by: CALLER,
  key: KEY,
  outcome,
  ...(outcome === 'ok' && { isOwn: true, from: NODE }),
  ...over,
});
const stalled = (at: number, ms: number, by = CALLER): HistoryEvent => ({
  what: 'stalled',
  at,
  by,
  ms,
});
const killed = (by = CALLER): HistoryEvent => ({ what: 'killed', at: 50, by });

const RUN = [dispatched(), started(), ended()];
const kinds = (...history: HistoryEvent[]) => check(history).map(({ kind }) => kind);

describe('a history without a breach', () => {
  it.each<[string, HistoryEvent[]]>([
    ['of a call that was answered', [sent(), ...RUN, replied()]],
    [
      'of a call that failed',
      [sent(), dispatched(), started(), ended({ isError: true }), replied('thrown')],
    ],
    ['of a call that found no node', [sent(), dispatched(), replied('CLOUDS_NO_NODE')]],
    ['of a call that timed out though it ran', [sent(), ...RUN, replied('CLOUDS_TIMEOUT')]],
    [
      'of a call that moved',
      [
        sent({ attempts: 2 }),
        dispatched(),
        started(),
        dispatched({ attempt: 2 }),
        started({ attempt: 2, by: 'node#2' }),
        ended({ attempt: 2, by: 'node#2' }),
        replied('ok', { from: 'node#2' }),
      ],
    ],
    [
      'of a call that was dispatched again before it ran',
      [sent(), dispatched(), ...RUN, replied()],
    ],
    [
      'of an event, which has no attempts',
      [
        sent({ kind: 'event' }),
        dispatched({ attempt: 0 }),
        replied('ok', { isOwn: undefined, from: undefined }),
        started(),
        ended(),
      ],
    ],
    [
      'of an event that every group has once, though one of them was not found at first',
      [
        sent({ kind: 'published' }),
        dispatched({ attempt: 0 }),
        dispatched({ attempt: 0, id: 'other' }),
        started({ group: 'audit' }),
        started({ group: 'mail', id: 'other', by: 'node#2' }),
        replied('CLOUDS_NO_NODE'),
      ],
    ],
    ['of a call whose caller was killed', [sent(), ...RUN, killed()]],
    [
      'of a call that ended a little late',
      [sent(), dispatched(), replied('CLOUDS_TIMEOUT', { at: 1990 })],
    ],
    [
      'of a call whose caller was frozen',
      [sent(), dispatched(), stalled(3000, 2500), replied('CLOUDS_TIMEOUT', { at: 3010 })],
    ],
  ])('%s', (_, history) => {
    expect(kinds(...history)).toEqual([]);
  });

  it('may be told in any order', () => {
    expect(kinds(replied(), ...RUN.reverse(), sent())).toEqual([]);
  });
});

describe('what is found', () => {
  it.each<[string, HistoryEvent[]]>([
    ['never ended', [sent(), ...RUN]],
    ['never ended', [sent(), ...RUN, killed(NODE)]],
    ['ended twice', [sent(), ...RUN, replied(), replied()]],
    ['ended late', [sent(), dispatched(), replied('CLOUDS_TIMEOUT', { at: 2001 })]],
    [
      'ended late',
      [sent(), dispatched(), stalled(3000, 900), replied('CLOUDS_TIMEOUT', { at: 3010 })],
    ],
    [
      'ended late',
      [sent(), dispatched(), stalled(3000, 2500, NODE), replied('CLOUDS_TIMEOUT', { at: 3010 })],
    ],
    [
      'ended late',
      [sent(), dispatched(), stalled(-10, 2500), replied('CLOUDS_TIMEOUT', { at: 2100 })],
    ],
    ['got what is not its own', [sent(), ...RUN, replied('ok', { isOwn: false })]],
    [
      'ran twice',
      [
        sent(),
        ...RUN,
        started({ by: 'node#2', attempt: 2 }),
        dispatched({ attempt: 2 }),
        replied(),
      ],
    ],
    [
      'ran twice in a group',
      [
        sent({ kind: 'published' }),
        dispatched({ attempt: 0 }),
        started({ group: 'audit' }),
        started({ group: 'audit', by: 'node#2' }),
        replied('ok', { from: undefined }),
      ],
    ],
    [
      'has an unknown outcome',
      [sent({ kind: 'published' }), dispatched({ attempt: 0 }), replied('unknown: boom')],
    ],
    ['ran an attempt twice', [sent({ attempts: 3 }), ...RUN, started({ by: 'node#2' }), replied()]],
    [
      'ran an attempt that it does not have',
      [sent(), dispatched(), started({ attempt: 2 }), replied('CLOUDS_TIMEOUT')],
    ],
    [
      'dispatched too often',
      [sent({ attempts: 2 }), ...RUN, dispatched({ attempt: 3 }), replied()],
    ],
    ['ran without being sent', [...RUN]],
    ['ran without being dispatched', [sent(), started(), ended(), replied()]],
    [
      'ran without being dispatched',
      [sent(), dispatched({ id: 'other' }), started(), ended(), replied()],
    ],
    ['says that it did not run', [sent(), ...RUN, replied('CLOUDS_NO_NODE')]],
    ['says that it did not run', [sent(), dispatched(), started(), replied('CLOUDS_OVERLOADED')]],
    ['says that it ran', [sent(), dispatched(), replied()]],
    ['says that it ran', [sent(), ...RUN, replied('ok', { from: 'node#2' })]],
    ['says that it ran', [sent(), ...RUN, replied('thrown')]],
    ['has an unknown outcome', [sent(), ...RUN, replied('unknown: boom')]],
  ])('%s', (kind, history) => {
    expect(kinds(...history)).toContain(kind);
  });

  it('comes with the whole course of the call, in order, and nothing else', () => {
    const other = { ...sent(), key: 'caller#1:2' };
    const [violation] = check([ended(), started(), sent(), dispatched(), other]);
    expect(violation).toMatchObject({ key: KEY, kind: 'never ended' });
    expect(violation!.events.map(({ what }) => what)).toEqual([
      'sent',
      'dispatched',
      'started',
      'ended',
    ]);
  });
});
