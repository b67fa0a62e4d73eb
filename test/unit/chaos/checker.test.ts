import { describe, expect, it } from 'vitest';
import { check } from '../../chaos/checker.js';
import { RESTART } from '../../chaos/rollout.js';
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
  service: 'plain',
  attempts: 1,
  timeoutMs: 1000,
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
const held = (at: number, ms: number): HistoryEvent => ({ what: 'held', at, by: 'a network', ms });
const struck = (at = 0, ms = 0, by = 'connections reset'): HistoryEvent => ({
  what: 'struck',
  at,
  by,
  ms,
});
const killed = (by = CALLER): HistoryEvent => ({ what: 'killed', at: 50, by });

const RUN = [dispatched(), started(), ended()];
/** A stream whose caller leaves it when it has run for 20 ms. */
const LEFT_STREAM = [
  sent({ kind: 'stream', leavesAfterMs: 40 }),
  dispatched(),
  started(),
  replied('left'),
];
/** A call whose second attempt goes out then. */
const movedAt = (at: number): HistoryEvent[] => [
  sent({ attempts: 3, deadlineMs: 3000 }),
  dispatched(),
  dispatched({ attempt: 2, at }),
];
const kinds = (...history: HistoryEvent[]) => check(history).map(({ kind }) => kind);

describe('a history without a breach', () => {
  it.each<[string, HistoryEvent[]]>([
    ['of a call that was answered', [sent(), ...RUN, replied()]],
    [
      'of a call that failed',
      [sent(), dispatched(), started(), ended({ isError: true }), replied('thrown')],
    ],
    [
      'of a call that found no node as Redis was flushed',
      [sent(), dispatched(), struck(), replied('CLOUDS_NO_NODE')],
    ],
    ...['CLOUDS_NODE_LOST', 'CLOUDS_DISCONNECTED'].flatMap((code): [string, HistoryEvent[]][] => [
      [
        `of a call with ${code} a while after a fault`,
        [struck(-3900), sent(), dispatched(), replied(code)],
      ],
      [
        `of a call with ${code} in the middle of a fault`,
        [sent(), dispatched(), replied(code), struck(9000, 9500)],
      ],
      [
        `of a call with ${code} after some process stood still`,
        [stalled(-100, 1000, 'node#2'), sent(), dispatched(), replied(code)],
      ],
      [
        `of a call with ${code} after the proxies stood still`,
        [held(-100, 1000), sent(), dispatched(), replied(code)],
      ],
      [
        `of a call with ${code} while the old master comes back after a failover`,
        [struck(-13_000, 0, 'failover, planned'), sent(), dispatched(), replied(code)],
      ],
    ]),
    ...['CLOUDS_EXPIRED', 'CLOUDS_OVERLOADED'].map((code): [string, HistoryEvent[]] => [
      `of a call with ${code} that did not run`,
      [sent(), dispatched(), replied(code)],
    ]),
    [
      'of a call that was held up behind what had been held up',
      [
        sent({ deadlineMs: 9000 }),
        held(2000, 1500),
        dispatched({ at: 3000 }),
        replied('CLOUDS_TIMEOUT', { at: 4000 }),
        started({ at: 5100 }),
      ],
    ],
    [
      'of an event that a node has once in each of its groups',
      [
        sent({ kind: 'broadcast' }),
        dispatched({ attempt: 0 }),
        dispatched({ attempt: 0, id: 'other' }),
        started({ group: 'audit' }),
        started({ group: 'mail', id: 'other' }),
        replied('ok', { isOwn: undefined, from: undefined }),
      ],
    ],
    [
      'of a call that was cancelled by a node that is restarted',
      [struck(20, 10, RESTART), sent(), dispatched(), started(), replied('CLOUDS_CANCELLED')],
    ],
    [
      'of a stream that was cancelled, and is at the same node again',
      [
        struck(),
        sent({ kind: 'stream', attempts: 3, deadlineMs: 3000 }),
        dispatched(),
        started(),
        dispatched({ attempt: 2 }),
        ended(),
        replied('CLOUDS_CANCELLED'),
      ],
    ],
    [
      'of a call that timed out though it ran',
      [sent(), ...RUN, replied('CLOUDS_TIMEOUT', { at: 1000 })],
    ],
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
        started({ at: 60 }),
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
        struck(),
        replied('CLOUDS_NO_NODE'),
      ],
    ],
    [
      'of an event that every node has once',
      [
        sent({ kind: 'broadcast' }),
        dispatched({ attempt: 0 }),
        started({ group: 'audit' }),
        started({ group: 'audit', by: 'node#2' }),
        replied('ok', { isOwn: undefined, from: undefined }),
      ],
    ],
    ['of a call that was left', [sent({ leavesAfterMs: 40 }), ...RUN, replied('left')]],
    ['of a stream that was left', [...LEFT_STREAM, ended({ at: 1030 })]],
    [
      'of a stream that was left, of which a frozen node hears late',
      [...LEFT_STREAM, ended({ at: 2900 }), stalled(2895, 1900, NODE)],
    ],
    ['of a stream whose cancel was lost', [struck(60), ...LEFT_STREAM, ended({ at: 20_000 })]],
    ['of a stream that was left before its node was killed', [...LEFT_STREAM, killed(NODE)]],
    ['of a call whose caller was killed', [sent(), ...RUN, killed()]],
    [
      'of a call that ended a little late',
      [sent(), dispatched(), replied('CLOUDS_TIMEOUT', { at: 1990 })],
    ],
    [
      'of a call whose caller was frozen',
      [sent(), dispatched(), stalled(3000, 2500), replied('CLOUDS_TIMEOUT', { at: 3010 })],
    ],
    [
      'of a call whose timers were a little early',
      [sent(), dispatched(), replied('CLOUDS_TIMEOUT', { at: 960 })],
    ],
    [
      'of a call that had a timeout after another had moved it, before its deadline',
      [
        struck(),
        ...movedAt(500),
        dispatched({ attempt: 3, at: 1490 }),
        replied('CLOUDS_NODE_LOST', { at: 1600 }),
      ],
    ],
    [
      'of a call that says that its first attempt timed out when the second finds no node',
      [...movedAt(1000), replied('CLOUDS_TIMEOUT', { at: 1010 })],
    ],
    [
      'of a call that waited for room, and then timed out at its deadline',
      [
        sent({ deadlineMs: 1000 }),
        dispatched(),
        dispatched({ at: 700 }),
        replied('CLOUDS_TIMEOUT', { at: 1000 }),
      ],
    ],
    [
      'of a call that was held up on its way',
      [
        sent(),
        dispatched(),
        replied('CLOUDS_TIMEOUT', { at: 1000 }),
        held(2000, 1500),
        started({ at: 3400 }),
      ],
    ],
    [
      'of a call whose caller was frozen before it had written it',
      [
        sent(),
        dispatched(),
        stalled(3000, 2900),
        started({ at: 3010 }),
        ended({ at: 3020 }),
        replied('CLOUDS_TIMEOUT', { at: 3005 }),
      ],
    ],
    [
      'of a call that has left a frozen node, which then starts it within its time',
      [
        sent({ attempts: 2, timeoutMs: 4000, deadlineMs: 8000 }),
        dispatched(),
        dispatched({ attempt: 2, at: 100 }),
        started({ attempt: 2, at: 110, by: 'node#2' }),
        ended({ attempt: 2, at: 120, by: 'node#2' }),
        replied('ok', { at: 130, from: 'node#2' }),
        started({ at: 3000 }),
        stalled(3005, 2990, NODE),
      ],
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
    ['says that it did not run', [sent(), ...RUN, replied('CLOUDS_EXPIRED')]],
    ['says that it did not run', [struck(), sent(), ...RUN, replied('CLOUDS_DISCONNECTED')]],
    [
      'started after its time',
      [sent({ timeoutMs: 5000 }), dispatched(), started({ at: 2100 }), killed()],
    ],
    [
      'ran an attempt that it does not have',
      [sent({ kind: 'event' }), dispatched({ attempt: 2 }), started({ attempt: 2 })],
    ],
    [
      'ran an attempt that it does not have',
      [sent(), dispatched({ attempt: 0 }), started({ attempt: 0 })],
    ],
    ['dispatched too often', [sent({ kind: 'event' }), dispatched({ attempt: 2 })]],
    [
      'ran twice',
      [sent({ kind: 'event' }), dispatched({ attempt: 0 }), started(), started({ by: 'node#2' })],
    ],
    [
      'has an end that nothing caused',
      [struck(-14_100, 0, 'failover, planned'), sent(), dispatched(), replied('CLOUDS_NODE_LOST')],
    ],
    [
      'has an end that nothing caused',
      [struck(-4100, 10, RESTART), sent(), dispatched(), started(), replied('CLOUDS_CANCELLED')],
    ],
    [
      'got what is not its own',
      [
        sent(),
        dispatched(),
        started(),
        ended({ isError: true }),
        replied('thrown', { isOwn: false }),
      ],
    ],
    [
      'got what is not its own',
      [sent({ leavesAfterMs: 40 }), ...RUN, replied('left', { isOwn: false })],
    ],
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
      'ran twice at a node',
      [
        sent({ kind: 'broadcast' }),
        dispatched({ attempt: 0 }),
        started({ group: 'audit' }),
        started({ group: 'audit' }),
        replied('ok', { from: undefined }),
      ],
    ],
    ['went on after its end', LEFT_STREAM],
    ['went on after its end', [...LEFT_STREAM, ended({ at: 1050 })]],
    ['went on after its end', [...LEFT_STREAM, ended({ at: 1050 }), stalled(1000, 900, 'node#2')]],
    ['went on after its end', [...LEFT_STREAM, ended({ at: 1050, by: 'node#2' })]],
    ['went on after its end', [struck(60), ...LEFT_STREAM, ended({ at: 20_100 })]],
    ['went on after its end', [...LEFT_STREAM, killed('node#2')]],
    [
      'went on after its end',
      [
        sent({ kind: 'stream' }),
        dispatched(),
        started(),
        replied('CLOUDS_TIMEOUT', { at: 1000 }),
        ended({ at: 2050 }),
      ],
    ],
    ['has an end that it cannot have', [sent(), ...RUN, replied('left')]],
    ['has an end that it cannot have', [sent({ leavesAfterMs: 200 }), ...RUN, replied('left')]],
    [
      'has an end that it cannot have',
      [sent({ kind: 'event', leavesAfterMs: 0 }), ...RUN, replied('left')],
    ],
    [
      'has an end that it cannot have',
      [sent({ kind: 'published' }), dispatched({ attempt: 0 }), replied('unknown: boom')],
    ],
    [
      'has an end that it cannot have',
      [sent({ kind: 'event' }), dispatched({ attempt: 0 }), replied('CLOUDS_EXPIRED')],
    ],
    [
      'has an end that it cannot have',
      [
        sent({ kind: 'stream' }),
        dispatched(),
        started(),
        ended({ isError: true }),
        replied('thrown'),
      ],
    ],
    ...[
      'CLOUDS_BAD_OPTIONS',
      'CLOUDS_BAD_NAME',
      'CLOUDS_UNSERIALIZABLE',
      'CLOUDS_PAYLOAD_TOO_LARGE',
      'CLOUDS_CLOSED',
    ].map((code): [string, HistoryEvent[]] => [
      'has an end that it cannot have',
      [sent(), ...RUN, replied(code)],
    ]),
    [
      'has an end that it cannot have',
      [sent({ kind: 'event' }), dispatched(), replied('CLOUDS_CANCELLED')],
    ],
    ...['CLOUDS_NO_NODE', 'CLOUDS_NODE_LOST', 'CLOUDS_DISCONNECTED', 'CLOUDS_CANCELLED'].flatMap(
      (code): [string, HistoryEvent[]][] => {
        const call = [sent(), dispatched(), replied(code)];
        const kind = 'has an end that nothing caused';
        return [
          [kind, call],
          [kind, [struck(-4100, 500), ...call]],
          [kind, [...call, struck(1000, 900)]],
          [kind, [stalled(-10, 900), held(20, 900), ...call]],
          [kind, [stalled(-4100, 2000), held(-4100, 2000), ...call]],
        ];
      },
    ),
    [
      'has an end that nothing caused',
      [struck(), sent(), dispatched(), dispatched({ attempt: 2 }), replied('CLOUDS_CANCELLED')],
    ],
    [
      'has an end that nothing caused',
      [struck(), sent({ kind: 'stream' }), dispatched(), replied('CLOUDS_CANCELLED')],
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
    ['has an end that it cannot have', [sent(), ...RUN, replied('unknown: boom')]],
    ['timed out early', [sent(), ...RUN, replied('CLOUDS_TIMEOUT')]],
    ['timed out early', [sent(), ...RUN, replied('CLOUDS_TIMEOUT', { at: 940 })]],
    [
      'timed out early',
      [sent({ kind: 'event' }), dispatched({ attempt: 0 }), replied('CLOUDS_TIMEOUT')],
    ],
    [
      // Each of its attempts has had less than its timeout.
      'timed out early',
      [...movedAt(600), replied('CLOUDS_TIMEOUT', { at: 900 })],
    ],
    [
      'timed out early',
      [
        sent({ attempts: -1, timeoutMs: 1000, deadlineMs: 3000 }),
        ...[1, 2, 3, 4, 5].map((attempt) => dispatched({ attempt, at: 400 * attempt })),
        replied('CLOUDS_TIMEOUT', { at: 2300 }),
      ],
    ],
    ['was sent twice', [sent(), sent({ at: 5 }), ...RUN, replied()]],
    ['ended elsewhere', [sent(), ...RUN, replied('ok', { by: 'caller#2' })]],
    ['got what is not its own', [sent(), ...RUN, replied('ok', { isOwn: undefined })]],
    ['got what is not its own', [sent(), ...RUN, replied('ok', { from: undefined })]],
    [
      'got what is not its own',
      [sent({ kind: 'stream' }), ...RUN, replied('ok', { isOwn: undefined, from: undefined })],
    ],
    ['ended its run twice', [sent(), ...RUN, ended(), replied()]],
    ['ended before its handler', [sent(), ...RUN, replied('ok', { at: 20 })]],
    [
      'ended before its handler',
      [sent(), dispatched(), started(), ended({ isError: true }), replied('thrown', { at: 20 })],
    ],
    [
      'ran without being dispatched',
      [sent(), dispatched({ at: 30 }), started(), ended({ at: 35 }), replied()],
    ],
    ['dispatched after its end', [sent(), ...RUN, replied(), dispatched({ at: 50 })]],
    [
      // Frozen for however long: a node is not to start what has expired.
      'started after its time',
      [
        sent({ attempts: -1, deadlineMs: 9000 }),
        dispatched(),
        started({ at: 2050 }),
        ended({ at: 2060 }),
        stalled(2055, 2000, NODE),
        replied('ok', { at: 2070 }),
      ],
    ],
    [
      'started after its time',
      [
        sent({ kind: 'event' }),
        dispatched({ attempt: 0 }),
        replied('ok', { isOwn: undefined, from: undefined }),
        started({ at: 2050 }),
      ],
    ],
    [
      'started after its time',
      [sent(), dispatched(), held(-1000, 500), started({ at: 2050 }), killed()],
    ],
    [
      'started after its end',
      [
        sent({ attempts: 2, timeoutMs: 4000, deadlineMs: 8000 }),
        dispatched(),
        dispatched({ attempt: 2, at: 100 }),
        started({ attempt: 2, at: 110, by: 'node#2' }),
        ended({ attempt: 2, at: 120, by: 'node#2' }),
        replied('ok', { at: 130, from: 'node#2' }),
        started({ at: 1200 }),
      ],
    ],
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
