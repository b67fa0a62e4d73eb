import { describe, expect, it, vi } from 'vitest';
import {
  CloudsClosedError,
  CloudsDisconnectedError,
  type CloudsError,
  cloudsError,
  CloudsErrorCode,
} from '../../../lib/common/errors.js';
import { messages } from '../../../lib/common/messages.js';
import { parseOptions } from '../../../lib/common/parse-options.js';
import type { Call } from '../../../lib/node/call.js';
import { type CallOptions, callPlan } from '../../../lib/node/call-options.js';
import { Caller } from '../../../lib/node/caller.js';
import { REPORT_AFTER, REPORT_AFTER_BYTES } from '../../../lib/node/stream-window.js';
import { type ReplyFrame, ReplyKind } from '../../../lib/protocol/frames.js';
import { RemoteError } from '../../../lib/protocol/remote-error.js';
import { fakeCall, FakePath, type FlatSettings, RecordingSink } from '../fakes/call.js';
import { pass, useFakeClock } from '../fakes/clock.js';
import { redisError } from '../fakes/redis.js';

const GRACE_MS = 2000;
/** An entry of the wheel may be told so much late. */
const WHEEL_MS = 20;
const LONGEST_BACKOFF_MS = 250;
const A = 'node-a.1';
const B = 'node-b.1';
const C = 'node-c.1';

/** A caller, a path that does nothing by itself, and one call that the caller has started. */
function setUp(settings: FlatSettings = {}, path = new FakePath(), given?: RecordingSink) {
  const moved: { attempt: number; code: string }[] = [];
  const timedOut: string[] = [];
  const caller = new Caller(
    { noNodeGraceMs: GRACE_MS, maxWaiting: 1000 },
    {
      moved: ({ attempt }, { code }: CloudsError) => void moved.push({ attempt, code }),
      timedOut: ({ service }) => void timedOut.push(service),
    },
  );
  const start = (more: FlatSettings = {}) => {
    const sink = given ?? new RecordingSink();
    const call = fakeCall({ ...settings, ...more }, path, sink);
    caller.start(call);
    return { call, sink };
  };
  const place = (call: Call, incarnation = A, isResent = false) =>
    caller.onPlaced(call, call.attempt, incarnation, isResent);
  const reply = (
    call: Call,
    kind: ReplyKind,
    value?: unknown,
    { from = A, count = 0, bytes = 100 } = {},
  ) => {
    const frame: ReplyFrame = [call.id, kind, count, value];
    caller.onReplies({ kind: 'r', from, frames: [frame], malformed: 0 }, bytes, path);
  };
  return { caller, path, moved, timedOut, start, place, reply, ...start() };
}

const refusal = (code: CloudsErrorCode) => ({ code, message: 'no', details: {} });

useFakeClock();

describe('a call', () => {
  it('is in flight until its reply is there', () => {
    const { caller, path, call, sink, place, reply } = setUp();
    expect(path.dispatched).toEqual([call]);
    expect(caller.inFlight).toBe(1);
    place(call);
    expect(sink.outcome).toBeUndefined();
    reply(call, ReplyKind.RESULT, 6);
    expect(sink).toMatchObject({ values: [6], outcome: 'value' });
    expect(caller.inFlight).toBe(0);
    expect(path.cancelled).toEqual([]);
  });

  it('takes a reply that arrives before it is known which node has the call', () => {
    const { path, call, sink, place, reply } = setUp();
    reply(call, ReplyKind.RESULT, 6);
    place(call);
    expect(sink).toMatchObject({ values: [6], outcome: 'value' });
    expect(path.cancelled).toEqual([]);
  });

  it('ignores a reply from a node that does not have it', () => {
    const { call, sink, place, reply } = setUp();
    place(call, A);
    for (const kind of Object.values(ReplyKind)) reply(call, kind, 'forged', { from: B });
    expect(sink).toMatchObject({ values: [], outcome: undefined });
    reply(call, ReplyKind.RESULT, 6);
    expect(sink).toMatchObject({ values: [6], outcome: 'value' });
  });

  it('ignores a second reply, and replies to calls that are not there', () => {
    const { caller, call, sink, place, reply } = setUp();
    place(call);
    reply(call, ReplyKind.RESULT, 6);
    reply(call, ReplyKind.RESULT, 7);
    reply(call, ReplyKind.ERROR, 'no');
    expect(sink).toMatchObject({ values: [6], outcome: 'value' });
    expect(caller.inFlight).toBe(0);
  });

  it('that wants no reply ends when a node has it', () => {
    const { caller, path, call, sink, place } = setUp({ isOneWay: true });
    place(call);
    expect(sink).toMatchObject({ values: [], outcome: 'end' });
    expect(caller.inFlight).toBe(0);
    expect(path.cancelled).toEqual([]);
  });

  it('that wants no reply is not moved, and cancelled nowhere', async () => {
    const { caller, path, call, sink } = setUp({ isOneWay: true, attempts: 3 });
    await pass(1000 + WHEEL_MS);
    caller.onPlaced(call, 1, A, false);
    expect(sink.outcome).toBe(CloudsErrorCode.TIMEOUT);
    expect(path.dispatched).toHaveLength(1);
    expect(path.cancelled).toEqual([]);
  });

  it('that is cancelled is cancelled at its node, and settles nothing', async () => {
    const { caller, path, call, sink, place, reply } = setUp();
    place(call);
    caller.cancel(call);
    caller.cancel(call);
    reply(call, ReplyKind.RESULT, 6);
    await pass(5000);
    expect(path.cancelled).toEqual([[A, call.id]]);
    expect(sink).toMatchObject({ values: [], outcome: undefined });
    expect(caller.inFlight).toBe(0);
  });

  it('that is cancelled before it is sent is taken back', () => {
    const { caller, path, call } = setUp();
    caller.cancel(call);
    expect(path.withdrawn).toEqual([call]);
  });

  it('that is cancelled before its place is known is cancelled there when it is', () => {
    const { caller, path, call } = setUp();
    caller.cancel(call);
    caller.onPlaced(call, 1, A, false);
    expect(path.cancelled).toEqual([[A, call.id]]);
  });

  it('that comes when as many as may wait for Redis fails at once, whatever attempts it has', () => {
    const path = new FakePath();
    const { caller, start } = setUp({ attempts: 3 }, path);
    path.isFull = true;
    const { call, sink } = start();
    expect(sink.outcome).toBe(CloudsErrorCode.DISCONNECTED);
    expect(sink.failure.message).toBe(messages.tooManyWait('sum'));
    expect(path.dispatched).not.toContain(call);
    expect(caller.inFlight).toBe(1);
  });

  it('leaves no timer behind', async () => {
    const { call, place, reply } = setUp();
    place(call);
    reply(call, ReplyKind.RESULT, 6);
    await pass(WHEEL_MS);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('what a node answers', () => {
  it('can be nothing', () => {
    const { call, sink, place, reply } = setUp();
    place(call);
    reply(call, ReplyKind.END);
    expect(sink).toMatchObject({ values: [], outcome: 'end' });
  });

  it('can be what a handler threw, as it is', () => {
    const { call, sink, place, reply } = setUp({ attempts: 3 });
    place(call);
    reply(call, ReplyKind.ERROR, { status: 409 });
    expect(sink.ends).toEqual([{ by: 'error', error: { status: 409 } }]);
  });

  it('can be an Error, which is never tried elsewhere', () => {
    const { path, call, sink, place, reply } = setUp({ attempts: 3 });
    place(call);
    reply(call, ReplyKind.EXCEPTION, { name: 'TypeError', message: 'no', status: 409 });
    expect(sink.failure).toBeInstanceOf(RemoteError);
    expect(sink.failure).toMatchObject({ name: 'TypeError', message: 'no', status: 409 });
    expect(path.dispatched).toHaveLength(1);
  });

  it('can be an Error of ours that the handler met itself, which is never tried elsewhere', () => {
    const { path, call, sink, place, reply } = setUp({ attempts: 3 });
    place(call);
    reply(call, ReplyKind.EXCEPTION, refusal(CloudsErrorCode.TIMEOUT));
    expect(sink.failure).toMatchObject({ code: CloudsErrorCode.TIMEOUT, node: 'node-a' });
    expect(path.dispatched).toHaveLength(1);
  });

  const codes = Object.values(CloudsErrorCode).filter((code) => code !== CloudsErrorCode.NO_NODE);

  it.each(codes)('can be the refusal %s', (code) => {
    const { call, sink, place, reply } = setUp();
    place(call);
    reply(call, ReplyKind.REFUSAL, refusal(code));
    expect(sink.failure).toMatchObject({ code, message: 'no', node: 'node-a' });
  });

  it.each([
    CloudsErrorCode.PAYLOAD_TOO_LARGE,
    CloudsErrorCode.UNSERIALIZABLE,
    CloudsErrorCode.BAD_NAME,
    CloudsErrorCode.CLOSED,
  ])('is not tried elsewhere when it is the refusal %s', (code) => {
    const { path, call, sink, place, reply } = setUp({ attempts: 3 });
    place(call);
    reply(call, ReplyKind.REFUSAL, refusal(code));
    expect(sink.outcome).toBe(code);
    expect(path.dispatched).toHaveLength(1);
  });

  it('is no attempt when the node has left the service: the call goes on to another', async () => {
    const { path, call, sink, moved, place, reply } = setUp();
    place(call);
    reply(call, ReplyKind.REFUSAL, refusal(CloudsErrorCode.NO_NODE));
    await pass(300);
    expect(path.dispatched).toEqual([call, call]);
    expect(call).toMatchObject({ attempt: 1, tried: ['node-a'], mayRepeatNode: true });
    expect(moved).toEqual([]);
    expect(sink.outcome).toBeUndefined();
    await pass(1000);
    expect(sink.outcome).toBe(CloudsErrorCode.NO_NODE);
  });

  it('is what a lost attempt ended with when no node is left for the next', async () => {
    const { caller, path, call, sink, place } = setUp({ attempts: 3 });
    place(call);
    caller.placed.onNodeLost(path, call.place!);
    caller.onUnplaced(call, 2, 'no-node');
    await pass(1000 + WHEEL_MS);
    expect(sink.outcome).toBe(CloudsErrorCode.NODE_LOST);
  });

  it('is what a lost attempt ended with when Redis refuses the next', () => {
    const { caller, path, call, sink, place } = setUp({ attempts: 3 });
    place(call);
    caller.placed.onNodeLost(path, call.place!);
    caller.onRefused(call, 2, redisError('OOM command not allowed'));
    expect(sink.outcome).toBe(CloudsErrorCode.NODE_LOST);
  });

  it('is what a lost attempt ended with when the last one comes too late to its node', () => {
    const { caller, path, call, sink, place, reply } = setUp({ attempts: 2 });
    place(call);
    caller.placed.onNodeLost(path, call.place!);
    place(call, B);
    reply(call, ReplyKind.REFUSAL, refusal(CloudsErrorCode.EXPIRED), { from: B });
    expect(sink.outcome).toBe(CloudsErrorCode.NODE_LOST);
  });

  it('is what a lost attempt ended with when there is no connection for the next', async () => {
    const { path, call, sink, place } = setUp({ attempts: 2, timeoutMs: 500 });
    place(call);
    await pass(500 + WHEEL_MS);
    path.isOpen = false;
    await pass(500 + WHEEL_MS);
    expect(sink.outcome).toBe(CloudsErrorCode.TIMEOUT);
  });

  it.each([CloudsErrorCode.EXPIRED, CloudsErrorCode.CANCELLED])(
    'is tried elsewhere at once when it is the refusal %s',
    (code) => {
      const { path, call, sink, moved, place, reply } = setUp({ attempts: 3 });
      place(call);
      reply(call, ReplyKind.REFUSAL, refusal(code));
      expect(path.dispatched).toEqual([call, call]);
      expect(call).toMatchObject({ attempt: 2, tried: ['node-a'], mayRepeatNode: false });
      expect(moved).toEqual([{ attempt: 2, code }]);
      expect(sink.outcome).toBeUndefined();
    },
  );
});

describe('a timeout', () => {
  it('fails a call of one attempt, cancels it at its node and tells so', async () => {
    const { caller, path, call, sink, timedOut, place } = setUp({ timeoutMs: 500 });
    place(call);
    await pass(499);
    expect(sink.outcome).toBeUndefined();
    await pass(1 + WHEEL_MS);
    expect(sink.failure.message).toBe(messages.timeout('sum', 500, 1));
    expect(sink.failure).toMatchObject({
      code: CloudsErrorCode.TIMEOUT,
      details: { service: 'sum', attempt: 1 },
    });
    expect(path.cancelled).toEqual([[A, call.id]]);
    expect(timedOut).toEqual(['sum']);
    expect(caller.inFlight).toBe(0);
  });

  it('makes a late reply harmless', async () => {
    const { call, sink, place, reply } = setUp();
    place(call);
    await pass(1000 + WHEEL_MS);
    reply(call, ReplyKind.RESULT, 6);
    expect(sink).toMatchObject({ values: [], outcome: CloudsErrorCode.TIMEOUT });
  });

  it('moves a call that has attempts left, away from the nodes it tried', async () => {
    const { path, call, sink, moved, place, reply } = setUp({ attempts: 3 });
    place(call, A);
    await pass(1000 + WHEEL_MS);
    place(call, B);
    await pass(1000 + WHEEL_MS);
    expect(call).toMatchObject({ attempt: 3, tried: ['node-a', 'node-b'], mayRepeatNode: false });
    expect(moved.map(({ code }) => code)).toEqual([
      CloudsErrorCode.TIMEOUT,
      CloudsErrorCode.TIMEOUT,
    ]);
    expect(path.cancelled).toEqual([
      [A, call.id],
      [B, call.id],
    ]);
    place(call, C);
    reply(call, ReplyKind.RESULT, 6, { from: C });
    expect(sink).toMatchObject({ values: [6], outcome: 'value' });
  });

  it('fails the call after its last attempt, with their number', async () => {
    const { path, call, sink, place } = setUp({ attempts: 2, timeoutMs: 500, deadlineMs: 5000 });
    for (const node of [A, B]) {
      place(call, node);
      await pass(500 + WHEEL_MS);
    }
    expect(path.dispatched).toHaveLength(2);
    expect(sink.failure.message).toBe(messages.timeout('sum', 500, 2));
  });

  it('gives each attempt its whole time', async () => {
    const { call, sink, place } = setUp({ attempts: 2, deadlineMs: 5000 });
    place(call, A);
    await pass(1000 + WHEEL_MS);
    place(call, B);
    await pass(900);
    expect(sink.outcome).toBeUndefined();
    await pass(100 + WHEEL_MS);
    expect(sink.outcome).toBe(CloudsErrorCode.TIMEOUT);
  });

  it('comes at the deadline at the latest, whatever attempts are left', async () => {
    const { path, call, sink, place } = setUp({ attempts: -1, deadlineMs: 2500 });
    for (const node of [A, B, C]) {
      place(call, node);
      expect(sink.outcome).toBeUndefined();
      await pass(1000 + WHEEL_MS);
    }
    expect(sink.outcome).toBe(CloudsErrorCode.TIMEOUT);
    expect(path.dispatched).toHaveLength(3);
  });

  it('does not end a call of -1 attempts before that', async () => {
    const { path, call, sink, place } = setUp({ attempts: -1, timeoutMs: 100, deadlineMs: 60_000 });
    while (call.attempt < 100) {
      place(call, `node-${call.attempt}.1`);
      const { attempt } = call;
      while (call.attempt === attempt && sink.outcome === undefined) await pass(10);
      expect(sink.outcome).toBeUndefined();
    }
    expect(path.dispatched).toHaveLength(100);
  });

  it('takes the reply of an earlier attempt, and cancels the present one', async () => {
    const { path, call, sink, place, reply } = setUp({ attempts: 2 });
    place(call, A);
    await pass(1000 + WHEEL_MS);
    place(call, B);
    reply(call, ReplyKind.RESULT, 6, { from: A });
    expect(sink).toMatchObject({ values: [6], outcome: 'value' });
    expect(path.cancelled).toContainEqual([B, call.id]);
  });

  it('takes no refusal of an earlier attempt for one of the present', async () => {
    const { call, sink, place, reply } = setUp({ attempts: 2 });
    place(call, A);
    await pass(1000 + WHEEL_MS);
    place(call, B);
    reply(call, ReplyKind.REFUSAL, refusal(CloudsErrorCode.CANCELLED), { from: A });
    reply(call, ReplyKind.UNKNOWN, undefined, { from: A });
    expect(sink.outcome).toBeUndefined();
    expect(call).toMatchObject({ attempt: 2, place: B });
  });

  it.each([CloudsErrorCode.OVERLOADED, CloudsErrorCode.NO_NODE, CloudsErrorCode.CANCELLED])(
    'takes no refusal %s of an earlier attempt for one of the present while that has no place',
    async (code) => {
      const { path, call, sink, place, reply } = setUp({ attempts: 2, waitsWhenFull: true });
      place(call, A);
      await pass(1000 + WHEEL_MS);
      call.isSent = true;
      reply(call, ReplyKind.REFUSAL, refusal(code), { from: A });
      reply(call, ReplyKind.UNKNOWN, undefined, { from: A });
      await pass(500);
      expect(path.dispatched).toHaveLength(2);
      place(call, B);
      reply(call, ReplyKind.RESULT, 6, { from: B });
      expect(sink).toMatchObject({ values: [6], outcome: 'value' });
    },
  );

  it('takes no refusal that names an earlier attempt, though the same node has the present one', async () => {
    const { path, call, place, reply } = setUp({ attempts: 2, waitsWhenFull: true });
    place(call, A);
    await pass(1000 + WHEEL_MS);
    place(call, A);
    const ofTheFirst = { ...refusal(CloudsErrorCode.OVERLOADED), attempt: 1 };
    reply(call, ReplyKind.REFUSAL, ofTheFirst, { from: A });
    await pass(500);
    expect(path.dispatched).toHaveLength(2);
    expect(call).toMatchObject({ attempt: 2, place: A });
  });

  it('is refused once for each time it is dispatched, though its node says it again', async () => {
    const { path, call, place, reply } = setUp({ waitsWhenFull: true });
    place(call, A);
    reply(call, ReplyKind.REFUSAL, refusal(CloudsErrorCode.OVERLOADED), { from: A });
    await pass(LONGEST_BACKOFF_MS);
    expect(path.dispatched).toHaveLength(2);
    call.isSent = true;
    const { dispatch } = call;
    reply(call, ReplyKind.REFUSAL, refusal(CloudsErrorCode.OVERLOADED), { from: A });
    place(call, B);
    await pass(500);
    expect(path.dispatched).toHaveLength(2);
    expect(call).toMatchObject({ place: B, dispatch });
  });

  it('is refused by a node that says so before it is known that it has the call', async () => {
    const { path, call, sink, place, reply } = setUp({ timeoutMs: 5000 });
    place(call, A);
    reply(call, ReplyKind.REFUSAL, refusal(CloudsErrorCode.NO_NODE), { from: A });
    await pass(LONGEST_BACKOFF_MS);
    call.isSent = true;
    reply(call, ReplyKind.REFUSAL, refusal(CloudsErrorCode.NO_NODE), { from: B });
    expect(path.dispatched).toHaveLength(2);
    place(call, B);
    await pass(LONGEST_BACKOFF_MS);
    expect(path.dispatched).toHaveLength(3);
    expect(sink.outcome).toBeUndefined();
  });

  it('cancels an earlier attempt whose place becomes known only now', async () => {
    const { caller, path, call, place } = setUp({ attempts: 3 });
    place(call, A);
    await pass(1000 + WHEEL_MS);
    caller.onPlaced(call, 1, B, false);
    expect(path.cancelled).toContainEqual([B, call.id]);
    expect(call).toMatchObject({ attempt: 2, place: undefined, tried: ['node-a', 'node-b'] });
  });

  /** The first attempt was at B, as is known only when the second has been sent. */
  async function sentTwice({ attempts } = { attempts: 2 }) {
    const set = setUp({ attempts });
    const { caller, call, path } = set;
    call.isSent = true;
    await pass(1000 + WHEEL_MS);
    call.isSent = true;
    caller.onPlaced(call, 1, B, false);
    expect(path.cancelled).toEqual([]);
    return set;
  }

  it('does not cancel it where the present attempt is too', async () => {
    const { caller, path, call, sink, place, reply } = await sentTwice();
    place(call, B);
    expect(path.cancelled).toEqual([]);
    reply(call, ReplyKind.RESULT, 1, { from: B });
    expect(sink.outcome).toBe('value');
    expect(caller.inFlight).toBe(0);
  });

  it('takes the values of a stream from there while that is not known', async () => {
    const { call, sink, place, reply } = await sentTwice();
    reply(call, ReplyKind.VALUE, 'a', { from: B, count: 0 });
    place(call, B);
    reply(call, ReplyKind.VALUE, 'b', { from: B, count: 1 });
    reply(call, ReplyKind.END, undefined, { from: B, count: 2 });
    expect(sink).toMatchObject({ values: ['a', 'b'], outcome: 'end' });
  });

  it.each(['elsewhere', 'nowhere'])(
    'goes on with a stream that has begun there when the present attempt is %s',
    async (where) => {
      const { caller, path, call, sink, place, reply } = await sentTwice();
      reply(call, ReplyKind.VALUE, 'a', { from: B, count: 0 });
      if (where === 'elsewhere') place(call, A);
      else caller.onUnplaced(call, 2, 'no-node');
      expect(path.cancelled).toEqual(where === 'elsewhere' ? [[A, call.id]] : []);
      reply(call, ReplyKind.VALUE, 'b', { from: B, count: 1 });
      reply(call, ReplyKind.END, undefined, { from: B, count: 2 });
      expect(sink).toMatchObject({ values: ['a', 'b'], outcome: 'end' });
      expect(path.dispatched).toHaveLength(2);
    },
  );

  it('passes it over in the attempt after the present one', async () => {
    const { caller, call, path } = await sentTwice({ attempts: 3 });
    await pass(1000 + WHEEL_MS);
    expect(call).toMatchObject({ attempt: 3, tried: ['node-b'] });
    call.isSent = true;
    caller.onPlaced(call, 3, A, false);
    expect(path.cancelled).toEqual([[B, call.id]]);
  });

  it('cancels it when the present attempt turns out to be elsewhere', async () => {
    const { path, call, place } = await sentTwice();
    place(call, A);
    expect(path.cancelled).toEqual([[B, call.id]]);
  });

  it.each([['no-node'], ['overloaded']] as const)(
    'cancels it when the present attempt is nowhere (%s)',
    async (reason) => {
      const { caller, path, call } = await sentTwice();
      caller.onUnplaced(call, 2, reason);
      expect(path.cancelled).toEqual([[B, call.id]]);
    },
  );

  it('cancels it when the call ends before that is known', async () => {
    const { path, call, sink } = await sentTwice();
    await pass(1000 + WHEEL_MS);
    expect(sink.outcome).toBe(CloudsErrorCode.TIMEOUT);
    expect(path.cancelled).toEqual([[B, call.id]]);
  });
});

describe('the code of a call whose time ends', () => {
  it('is TIMEOUT when a node has it, though the path is closed by then', async () => {
    const { path, call, sink, place } = setUp();
    place(call);
    path.isOpen = false;
    await pass(1000 + WHEEL_MS);
    expect(sink.outcome).toBe(CloudsErrorCode.TIMEOUT);
  });

  it('is DISCONNECTED when it could not be sent', async () => {
    const { path, sink, timedOut, call } = setUp({ attempts: 3 });
    path.isOpen = false;
    await pass(1000 + WHEEL_MS);
    expect(sink.failure).toBeInstanceOf(CloudsDisconnectedError);
    expect(sink.failure.message).toBe(messages.disconnected('sum', 1000));
    expect(timedOut).toEqual([]);
    expect(path.withdrawn).toEqual([call]);
  });

  it('is NO_NODE when it waited for a node to come', async () => {
    const path = new FakePath();
    path.openedAt = performance.now();
    const { caller, call, sink } = setUp({ timeoutMs: 300 }, path);
    caller.onUnplaced(call, 1, 'no-node');
    await pass(300 + WHEEL_MS);
    expect(sink.failure.message).toBe(messages.noNode('sum'));
    expect(sink.outcome).toBe(CloudsErrorCode.NO_NODE);
  });

  it('is TIMEOUT when it was sent again after it had found no node, whatever became of that', async () => {
    const path = new FakePath();
    path.openedAt = performance.now();
    const { caller, call, sink } = setUp({ timeoutMs: 300 }, path);
    caller.onUnplaced(call, 1, 'no-node');
    call.isSent = true;
    path.isOpen = false;
    await pass(300 + WHEEL_MS);
    expect(sink.outcome).toBe(CloudsErrorCode.TIMEOUT);
  });

  it('is TIMEOUT when Redis has it and has not said which node got it', async () => {
    const { sink } = setUp();
    await pass(1000 + WHEEL_MS);
    expect(sink.outcome).toBe(CloudsErrorCode.TIMEOUT);
  });
});

describe('a call that was sent without an answer of Redis', () => {
  /** As the dispatcher sends one of a service that it trusts. */
  function setUpSent(settings: FlatSettings = {}) {
    const set = setUp(settings);
    set.call.isSent = true;
    return set;
  }

  it('takes its reply, from whichever node, and is not taken back', () => {
    const { caller, path, call, sink, reply } = setUpSent();
    reply(call, ReplyKind.RESULT, 6, { from: B });
    expect(sink).toMatchObject({ values: [6], outcome: 'value' });
    expect([path.withdrawn, path.cancelled, caller.inFlight]).toEqual([[], [], 0]);
  });

  it('that times out tells so, and has its node found out', async () => {
    const { caller, path, call, sink, timedOut } = setUpSent({ timeoutMs: 500 });
    await pass(500 + WHEEL_MS);
    expect(timedOut).toEqual(['sum']);
    expect(sink.failure.message).toBe(messages.timeout('sum', 500, 1));
    expect(sink.failure).toMatchObject({ code: CloudsErrorCode.TIMEOUT });
    expect(path.withdrawn).toEqual([call]);
    caller.onPlaced(call, 1, A, false);
    expect(path.cancelled).toEqual([[A, call.id]]);
  });

  it('that times out while the path is closed may have run all the same', async () => {
    const { path, sink, timedOut } = setUpSent();
    path.isOpen = false;
    await pass(1000 + WHEEL_MS);
    expect(sink.outcome).toBe(CloudsErrorCode.TIMEOUT);
    expect(timedOut).toEqual(['sum']);
  });

  it('that is cancelled has its node found out, and is cancelled there', () => {
    const { caller, path, call } = setUpSent();
    caller.cancel(call);
    expect(path.withdrawn).toEqual([call]);
    caller.onPlaced(call, 1, A, false);
    expect(path.cancelled).toEqual([[A, call.id]]);
  });

  it('is an ordinary one when it is known who has it', () => {
    const { caller, path, call, place } = setUpSent();
    place(call);
    caller.cancel(call);
    expect([path.withdrawn, path.cancelled]).toEqual([[], [[A, call.id]]]);
  });

  it('is out no more when Redis says that it had no node', async () => {
    const { caller, call, sink, timedOut } = setUpSent({ timeoutMs: 500 });
    caller.onUnplaced(call, 1, 'no-node');
    expect(call.isOut).toBe(false);
    await pass(500 + WHEEL_MS);
    expect(sink.outcome).toBe(CloudsErrorCode.NO_NODE);
    expect(timedOut).toEqual([]);
  });

  it('is out no more when its node says that it does not serve it', async () => {
    const { path, call, sink, timedOut, reply } = setUpSent({ timeoutMs: 500 });
    reply(call, ReplyKind.REFUSAL, refusal(CloudsErrorCode.NO_NODE));
    expect(call.isOut).toBe(false);
    await pass(LONGEST_BACKOFF_MS + WHEEL_MS);
    expect(path.dispatched).toEqual([call, call]);
    expect(call.tried).toEqual(['node-a']);
    await pass(500);
    expect(sink.outcome).toBe(CloudsErrorCode.NO_NODE);
    expect(timedOut).toEqual([]);
  });

  it('may have run when the caller is closed', () => {
    const { caller, path, call, sink } = setUpSent();
    caller.close();
    expect(sink.failure).toBeInstanceOf(CloudsClosedError);
    expect(sink.failure.message).toBe(messages.closedDuringCall('sum'));
    expect(path.withdrawn).toEqual([call]);
  });

  it('as against one that waits to be sent', () => {
    const { caller, sink } = setUp();
    caller.close();
    expect(sink.failure.message).toBe(messages.closedBeforeSent('sum'));
  });
});

describe('a service without a node', () => {
  it('fails at once when it was never reached', () => {
    const { caller, call, sink } = setUp({ attempts: 3 });
    caller.onUnplaced(call, 1, 'no-node');
    expect(sink.outcome).toBe(CloudsErrorCode.NO_NODE);
  });

  it('is asked for again for a while when it was reached before', async () => {
    const { caller, path, call: first, start, place, reply } = setUp({ timeoutMs: 60_000 });
    place(first);
    reply(first, ReplyKind.RESULT, 6);
    const { call, sink } = start();
    const begin = performance.now();
    while (sink.outcome === undefined) {
      caller.onUnplaced(call, 1, 'no-node');
      const tries = path.dispatched.length;
      while (path.dispatched.length === tries && sink.outcome === undefined) await pass(10);
    }
    expect(sink.outcome).toBe(CloudsErrorCode.NO_NODE);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(GRACE_MS);
    expect(performance.now() - begin).toBeLessThan(GRACE_MS + LONGEST_BACKOFF_MS + WHEEL_MS);
    expect(path.dispatched.length).toBeGreaterThan(GRACE_MS / (LONGEST_BACKOFF_MS + WHEEL_MS));
  });

  it('may come back in the meantime', async () => {
    const path = new FakePath();
    path.openedAt = performance.now();
    const { caller, call, sink, place, reply } = setUp({}, path);
    caller.onUnplaced(call, 1, 'no-node');
    await pass(LONGEST_BACKOFF_MS + WHEEL_MS);
    expect(path.dispatched).toEqual([call, call]);
    expect(call.attempt).toBe(1);
    place(call);
    reply(call, ReplyKind.RESULT, 6);
    expect(sink.outcome).toBe('value');
  });

  it.each([
    [GRACE_MS - 1, undefined],
    [GRACE_MS, CloudsErrorCode.NO_NODE],
  ])('has its grace when the path was opened %d ms ago or less', async (agoMs, outcome) => {
    const path = new FakePath();
    path.openedAt = performance.now();
    await pass(agoMs);
    const { caller, call, sink } = setUp({}, path);
    caller.onUnplaced(call, 1, 'no-node');
    expect(sink.outcome).toBe(outcome);
  });

  it('is another one than those that were reached', () => {
    const { caller, call, start, place } = setUp();
    place(call);
    const other = start({ service: 'product' });
    caller.onUnplaced(other.call, 1, 'no-node');
    expect(other.sink.outcome).toBe(CloudsErrorCode.NO_NODE);
  });
});

describe('a service whose nodes are all full', () => {
  it('fails a call of one attempt', () => {
    const { caller, call, sink } = setUp();
    caller.onUnplaced(call, 1, 'overloaded');
    expect(sink.failure.message).toBe(messages.overloaded('sum'));
  });

  it('is tried again after a moment, any node allowed', async () => {
    const { caller, path, call, moved } = setUp({ attempts: 2 });
    caller.onUnplaced(call, 1, 'overloaded');
    expect(path.dispatched).toEqual([call]);
    await pass(40);
    expect(path.dispatched).toEqual([call]);
    await pass(LONGEST_BACKOFF_MS + WHEEL_MS);
    expect(path.dispatched).toEqual([call, call]);
    expect(call).toMatchObject({ attempt: 2, tried: undefined, mayRepeatNode: true });
    expect(moved).toEqual([{ attempt: 2, code: CloudsErrorCode.OVERLOADED }]);
  });

  it('is tried again when the node that was picked says so, on another if there is one', async () => {
    const { path, call, place, reply } = setUp({ attempts: 2 });
    place(call, A);
    reply(call, ReplyKind.REFUSAL, refusal(CloudsErrorCode.OVERLOADED));
    await pass(LONGEST_BACKOFF_MS + WHEEL_MS);
    expect(path.dispatched).toEqual([call, call]);
    expect(call).toMatchObject({ attempt: 2, tried: ['node-a'], mayRepeatNode: true });
  });

  it('is passed over by the next attempt also when its word comes before that of the script', async () => {
    const { path, call, reply } = setUp({ attempts: 2 });
    reply(call, ReplyKind.REFUSAL, refusal(CloudsErrorCode.OVERLOADED));
    await pass(LONGEST_BACKOFF_MS + WHEEL_MS);
    expect(path.dispatched).toEqual([call, call]);
    expect(call).toMatchObject({ attempt: 2, tried: ['node-a'], place: undefined });
  });

  it('fails the call after its last attempt', async () => {
    const { caller, call, sink } = setUp({ attempts: 2 });
    caller.onUnplaced(call, 1, 'overloaded');
    await pass(LONGEST_BACKOFF_MS + WHEEL_MS);
    caller.onUnplaced(call, 2, 'overloaded');
    expect(sink.outcome).toBe(CloudsErrorCode.OVERLOADED);
  });
});

describe('a service whose nodes are all full, for calls that wait', () => {
  const LONGEST_PAUSE_MS = 375;
  const waiting = { waitsWhenFull: true, timeoutMs: 2000 };

  it('has them sent again until there is room, as the same attempt', async () => {
    const { caller, path, call, sink, moved, place, reply } = setUp(waiting);
    for (let round = 1; round < 4; round++) {
      caller.onUnplaced(call, 1, 'overloaded');
      await pass(LONGEST_PAUSE_MS + WHEEL_MS);
      expect(path.dispatched.length).toBe(round + 1);
    }
    place(call);
    reply(call, ReplyKind.RESULT, 6);
    expect(sink.outcome).toBe('value');
    expect(call.attempt).toBe(1);
    expect(moved).toEqual([]);
  });

  it('fails them when their time is over', async () => {
    const { caller, path, call, sink } = setUp(waiting);
    caller.onUnplaced(call, 1, 'overloaded');
    path.dispatch = (again) => queueMicrotask(() => caller.onUnplaced(again, 1, 'overloaded'));
    await pass(2000 + WHEEL_MS);
    expect(sink.failure.message).toBe(messages.overloaded('sum'));
  });

  it('is asked less and less often', async () => {
    const { caller, path, call } = setUp({ ...waiting, timeoutMs: 60_000 });
    caller.onUnplaced(call, 1, 'overloaded');
    let sent = 0;
    path.dispatch = (again) => {
      sent++;
      queueMicrotask(() => caller.onUnplaced(again, 1, 'overloaded'));
    };
    await pass(10_000);
    expect(sent).toBeGreaterThan(10_000 / LONGEST_PAUSE_MS);
    expect(sent).toBeLessThan(10_000 / 200);
    caller.cancel(call);
  });

  describe('and that refuse what they are given', () => {
    const refused = { code: CloudsErrorCode.OVERLOADED, message: 'full', retryable: true };

    it('are not stormed, however many calls wait', async () => {
      const {
        caller,
        path,
        call: first,
        start,
        place,
        reply,
      } = setUp({ ...waiting, timeoutMs: 60_000 });
      const calls = [first, ...Array.from({ length: 1000 }, () => start().call)];
      let sent = 0;
      path.dispatch = (call) => {
        sent++;
        queueMicrotask(() => {
          place(call);
          reply(call, ReplyKind.REFUSAL, refused);
        });
      };
      for (const call of calls) caller.onUnplaced(call, 1, 'overloaded');
      await pass(10_000);
      expect(sent).toBeGreaterThan(10_000 / LONGEST_PAUSE_MS);
      expect(sent).toBeLessThan(10_000 / 100);
      caller.close();
    });

    it('are given them in their order all the same', async () => {
      const { caller, path, call: first, start, place, reply } = setUp(waiting);
      const [second, third] = [start().call, start().call];
      for (const call of [first, second, third]) caller.onUnplaced(call, 1, 'overloaded');
      path.dispatched.length = 0;
      caller.full.onTurn('sum');
      place(first);
      reply(first, ReplyKind.REFUSAL, refused);
      caller.full.onTurn('sum');
      caller.full.onTurn('sum');
      expect(path.dispatched).toEqual([first, first, second]);
      caller.close();
      await pass(0);
    });
  });

  it('takes them in their order, one for a reply before they waited and for each turn, and new ones after them', () => {
    const { caller, path, call: first, start, place, reply } = setUp(waiting);
    place(first);
    const [second, third] = [start().call, start().call];
    caller.onUnplaced(second, 1, 'overloaded');
    caller.onUnplaced(third, 1, 'overloaded');
    const { call: fourth } = start();
    expect(path.dispatched).toEqual([first, second, third]);
    reply(first, ReplyKind.RESULT);
    place(second);
    reply(second, ReplyKind.RESULT);
    expect(path.dispatched.slice(3)).toEqual([second]);
    // Its node tells whose turn it is.
    caller.full.onTurn('sum');
    expect(path.dispatched.slice(3)).toEqual([second, third]);
    // Somebody else was faster.
    caller.onUnplaced(third, 1, 'overloaded');
    expect(path.dispatched.slice(5)).toEqual([]);
    caller.cancel(third);
    caller.cancel(fourth);
  });

  it('has one sent for each reply if their data is so long that the node is not told that others wait', () => {
    const {
      caller,
      path,
      call: first,
      start,
      place,
      reply,
    } = setUp({
      ...waiting,
      body: `0,"${'x'.repeat(10_000)}"`,
    });
    const [second, third] = [start().call, start().call];
    for (const call of [first, second, third]) caller.onUnplaced(call, 1, 'overloaded');
    caller.full.onTurn('sum');
    place(first);
    reply(first, ReplyKind.RESULT);
    expect(path.dispatched.slice(3)).toEqual([first, second]);
    for (const call of [second, third]) caller.cancel(call);
  });

  it('is left, and so is the line, when the last of them ends without having got room', () => {
    const { caller, path, call: first, start, place } = setUp(waiting);
    const second = start().call;
    for (const call of [first, second]) caller.onUnplaced(call, 1, 'overloaded');
    expect(caller.full.sizeOf('sum')).toBe(2);
    caller.cancel(first);
    expect(path.linesLeft).toEqual([]);
    caller.cancel(second);
    expect(path.linesLeft).toEqual(['sum']);
    expect(caller.full.sizeOf('sum')).toBe(0);
    const third = start().call;
    caller.onUnplaced(third, 1, 'overloaded');
    place(third);
    expect(path.linesLeft).toEqual(['sum']);
    caller.cancel(third);
  });

  it('of which there is none make nothing of what anybody says of room', () => {
    const { caller, path, call } = setUp(waiting);
    caller.full.onTurn('other');
    expect(path.linesLeft).toEqual([]);
    expect(path.dispatched).toEqual([call]);
  });

  it('has them sent again when the node itself was full', async () => {
    const { path, call, place, reply } = setUp(waiting);
    place(call, A);
    reply(call, ReplyKind.REFUSAL, refusal(CloudsErrorCode.OVERLOADED));
    await pass(LONGEST_PAUSE_MS + WHEEL_MS);
    expect(path.dispatched).toEqual([call, call]);
    expect(call).toMatchObject({ attempt: 1, place: undefined });
  });

  it('sends more and more of them when it turns out that there is room', async () => {
    const { caller, path, call, start, place } = setUp({ ...waiting, timeoutMs: 60_000 });
    caller.onUnplaced(call, 1, 'overloaded');
    const others = Array.from({ length: 20 }, () => start().call);
    path.dispatch = (again) => queueMicrotask(() => place(again));
    await pass(LONGEST_PAUSE_MS + WHEEL_MS);
    for (const one of [call, ...others]) expect(one.place).toBe(A);
  });

  it('does not let more wait than may', () => {
    const { caller, call, start } = setUp(waiting);
    caller.onUnplaced(call, 1, 'overloaded');
    for (let i = 1; i < 1000; i++) expect(start().sink.outcome).toBeUndefined();
    expect(start().sink.failure.message).toBe(messages.tooManyWaitForRoom('sum'));
    caller.close();
  });
});

describe('a service whose only nodes were tried', () => {
  it('is tried again after a moment, and then on one of them', async () => {
    const { caller, path, call, place } = setUp({ attempts: 2, deadlineMs: 5000 });
    place(call, A);
    await pass(1000 + WHEEL_MS);
    caller.onUnplaced(call, 2, 'only-tried');
    expect(path.dispatched).toHaveLength(2);
    await pass(LONGEST_BACKOFF_MS + WHEEL_MS);
    expect(path.dispatched).toHaveLength(3);
    expect(call).toMatchObject({ attempt: 2, tried: ['node-a'], mayRepeatNode: true });
  });

  it('is passed over again by the attempt after that', async () => {
    const { caller, call, place } = setUp({ attempts: 3, deadlineMs: 9000 });
    place(call, A);
    await pass(1000 + WHEEL_MS);
    caller.onUnplaced(call, 2, 'only-tried');
    await pass(LONGEST_BACKOFF_MS + WHEEL_MS);
    place(call, A);
    await pass(1000 + WHEEL_MS);
    expect(call).toMatchObject({ attempt: 3, tried: ['node-a'], mayRepeatNode: false });
  });
});

describe('what the dispatcher says of an attempt that is over', () => {
  it('changes nothing', async () => {
    const { caller, path, call, sink, place } = setUp({ attempts: 2 });
    place(call, A);
    await pass(1000 + WHEEL_MS);
    caller.onUnplaced(call, 1, 'no-node');
    caller.onUnplaced(call, 1, 'overloaded');
    caller.onUnplaced(call, 1, 'only-tried');
    caller.onRefused(call, 1, redisError('ERR no'));
    caller.onForgotten(call, 1);
    expect(sink.outcome).toBeUndefined();
    expect(call).toMatchObject({ attempt: 2, mayRepeatNode: false });
    expect(path.dispatched).toHaveLength(2);
  });
});

describe('a dispatch that Redis refuses', () => {
  it('fails the call without another attempt, and tells why without what was sent', () => {
    const { caller, path, call, sink } = setUp({ attempts: 3 });
    const error = Object.assign(redisError('OOM command not allowed.'), {
      command: { args: ['x'] },
    });
    caller.onRefused(call, 1, error);
    expect(sink.failure).toBeInstanceOf(CloudsDisconnectedError);
    expect(sink.failure.message).toMatch(
      /^Redis refused the dispatch to "sum": OOM command not allowed\. See/,
    );
    expect(sink.failure.cause).toBeUndefined();
    expect(path.dispatched).toHaveLength(1);
  });
});

describe('a dispatch of which nothing is known any more', () => {
  it('fails a call of one attempt as lost', () => {
    const { caller, call, sink } = setUp();
    caller.onForgotten(call, 1);
    expect(sink.outcome).toBe(CloudsErrorCode.NODE_LOST);
    expect(sink.failure.message).toBe(messages.placeLost('sum'));
  });

  it('is made again for a call that may be retried', () => {
    const { caller, path, call } = setUp({ attempts: 2 });
    caller.onForgotten(call, 1);
    expect(path.dispatched).toEqual([call, call]);
  });
});

describe('a node that is lost', () => {
  it('fails the calls that it had, and no others', () => {
    const { caller, path, call, sink, start, place } = setUp();
    const other = start();
    const waiting = start();
    place(call, A);
    place(other.call, B);
    caller.placed.onNodeLost(path, A);
    expect(sink.outcome).toBe(CloudsErrorCode.NODE_LOST);
    expect(sink.failure.message).toBe(messages.nodeLost('sum', A));
    expect([other.sink.outcome, waiting.sink.outcome]).toEqual([undefined, undefined]);
  });

  it('loses the calls of its path only', () => {
    const { caller, call, sink, place } = setUp();
    place(call, A);
    caller.placed.onNodeLost(new FakePath(), A);
    expect(sink.outcome).toBeUndefined();
  });

  it('loses a call that may be retried to another node, at once', () => {
    const { caller, path, call, sink, moved, place } = setUp({ attempts: 2 });
    place(call, A);
    caller.placed.onNodeLost(path, A);
    expect(path.dispatched).toEqual([call, call]);
    expect(call).toMatchObject({ attempt: 2, tried: ['node-a'] });
    expect(moved).toEqual([{ attempt: 2, code: CloudsErrorCode.NODE_LOST }]);
    expect(sink.outcome).toBeUndefined();
  });
});

describe('a node that is frozen', () => {
  it('keeps a call of one attempt and loses one that may be retried', () => {
    const { caller, path, call, sink, start, place } = setUp();
    const other = start({ attempts: 2 });
    place(call, A);
    place(other.call, A);
    caller.placed.onNodeFrozen(path, A);
    expect(sink.outcome).toBeUndefined();
    expect(call).toMatchObject({ attempt: 1, place: A });
    expect(other.call).toMatchObject({ attempt: 2, tried: ['node-a'], place: undefined });
  });
});

describe('a node that is back with a new inbox', () => {
  it('is asked there about the calls that it has', () => {
    const { caller, path, call, sink, place, reply } = setUp();
    place(call, A);
    caller.placed.onNodeBack(path, A, 'node-a.2');
    expect(path.asked).toEqual([['node-a.2', call.id]]);
    reply(call, ReplyKind.RESULT, 6, { from: 'node-a.2' });
    expect(sink.outcome).toBe('value');
  });
});

describe('a node that has a new inbox of which nobody has told yet', () => {
  it.each([
    [ReplyKind.RESULT, 'value'],
    [ReplyKind.END, 'end'],
    [ReplyKind.REFUSAL, CloudsErrorCode.EXPIRED],
    [ReplyKind.UNKNOWN, CloudsErrorCode.NODE_LOST],
  ])('answers as the node that it is: reply kind %d', (kind, outcome) => {
    const { path, call, sink, place, reply } = setUp();
    place(call, A);
    reply(call, kind, refusal(CloudsErrorCode.EXPIRED), { from: 'node-a.2' });
    expect(sink.outcome).toBe(outcome);
    expect(path.cancelled.every(([incarnation]) => incarnation === A)).toBe(true);
  });
});

describe('a path that is open again', () => {
  it('asks the nodes about the calls that they have', () => {
    const { caller, path, call, start, place } = setUp();
    const other = start();
    start();
    place(call, A);
    place(other.call, B);
    caller.placed.onPathOpened(path);
    expect(path.asked).toEqual([
      [A, call.id],
      [B, other.call.id],
    ]);
  });

  it('asks about a call that was sent twice, when its place is known', () => {
    const { path, call, place } = setUp();
    place(call, A, true);
    expect(path.asked).toEqual([[A, call.id]]);
  });

  it.each([
    [1, CloudsErrorCode.NODE_LOST, 1],
    [2, undefined, 2],
  ])('loses a call of %d attempts that its node never saw', (attempts, outcome, dispatches) => {
    const { path, call, sink, place, reply } = setUp({ attempts });
    place(call, A);
    reply(call, ReplyKind.UNKNOWN);
    expect(sink.outcome).toBe(outcome);
    expect(path.dispatched).toHaveLength(dispatches);
  });
});

describe('waitedFor', () => {
  it('names the incarnations that have had calls for long enough, with the latest placement', async () => {
    const { caller, path, call, start, place } = setUp({ timeoutMs: 60_000 });
    place(call, A);
    await pass(100);
    place(start().call, B);
    await pass(100);
    place(start().call, A);
    place(start().call, C);
    start();
    expect([...caller.placed.waitedFor(path, performance.now() - 50).keys()]).toEqual([A, B]);
    expect([...caller.placed.waitedFor(path, performance.now()).keys()].sort()).toEqual([A, B, C]);
    expect([...caller.placed.waitedFor(new FakePath(), performance.now()).keys()]).toEqual([]);
  });
});

describe('a stream', () => {
  it('brings its values in order, and its end', () => {
    const { caller, call, sink, place, reply } = setUp();
    place(call);
    ['a', 'b', 'c'].forEach((value, count) => reply(call, ReplyKind.VALUE, value, { count }));
    expect(sink.outcome).toBeUndefined();
    reply(call, ReplyKind.END, undefined, { count: 3 });
    expect(sink).toMatchObject({ values: ['a', 'b', 'c'], outcome: 'end' });
    expect(caller.inFlight).toBe(0);
  });

  it('can end with an error after its values', () => {
    const { call, sink, place, reply } = setUp();
    place(call);
    reply(call, ReplyKind.VALUE, 'a');
    reply(call, ReplyKind.EXCEPTION, { name: 'Error', message: 'no' }, { count: 1 });
    expect(sink).toMatchObject({ values: ['a'], outcome: 'no' });
  });

  it.each([
    ['a value', ReplyKind.VALUE, 2],
    ['a value twice', ReplyKind.VALUE, 0],
    ['the last values', ReplyKind.END, 3],
    ['values before an error', ReplyKind.ERROR, 2],
    ['values before an exception', ReplyKind.EXCEPTION, 5],
  ])('that lacks or repeats %s is broken, and never started again', (_, kind, count) => {
    const { path, call, sink, place, reply } = setUp({ attempts: 3 });
    place(call);
    reply(call, ReplyKind.VALUE, 'a');
    reply(call, kind, 'x', { count });
    expect(sink).toMatchObject({ values: ['a'], outcome: CloudsErrorCode.NODE_LOST });
    expect(sink.failure.message).toBe(messages.streamBroken('sum', 'node-a'));
    expect(path.cancelled).toEqual([[A, call.id]]);
    expect(path.dispatched).toHaveLength(1);
  });

  it('that has begun is not started again when its node is lost, refuses or is silent', async () => {
    for (const end of ['lost', 'refusal', 'timeout'] as const) {
      const { caller, path, call, sink, place, reply } = setUp({ attempts: 3 });
      place(call);
      reply(call, ReplyKind.VALUE, 'a');
      if (end === 'lost') caller.placed.onNodeLost(path, A);
      if (end === 'refusal') reply(call, ReplyKind.REFUSAL, refusal(CloudsErrorCode.CANCELLED));
      if (end === 'timeout') await pass(3000 + WHEEL_MS);
      expect(sink.ends, end).toHaveLength(1);
      expect(path.dispatched, end).toHaveLength(1);
    }
  });

  it('that has not begun is started elsewhere when its node is lost', () => {
    const { caller, path, call, sink, place, reply } = setUp({ attempts: 2 });
    place(call, A);
    caller.placed.onNodeLost(path, A);
    place(call, B);
    reply(call, ReplyKind.VALUE, 'b', { from: B });
    expect(sink.values).toEqual(['b']);
  });

  it('takes the values of one node only', () => {
    const { caller, path, call, sink, place, reply } = setUp({ attempts: 2 });
    place(call, A);
    caller.placed.onNodeLost(path, A);
    place(call, B);
    reply(call, ReplyKind.VALUE, 'b', { from: B });
    reply(call, ReplyKind.VALUE, 'a', { from: A, count: 1 });
    reply(call, ReplyKind.END, undefined, { from: A, count: 1 });
    expect(sink).toMatchObject({ values: ['b'], outcome: undefined });
  });

  it('times out when it is idle, and not while it keeps coming', async () => {
    const { call, sink, place, reply } = setUp({ deadlineMs: 60_000 });
    place(call);
    for (let count = 0; count < 10; count++) {
      await pass(900);
      reply(call, ReplyKind.VALUE, count, { count });
    }
    expect(sink.outcome).toBeUndefined();
    await pass(1000 + WHEEL_MS);
    expect(sink).toMatchObject({ outcome: CloudsErrorCode.TIMEOUT, values: { length: 10 } });
  });

  it('is not taken over by the late first value of a node that was left', async () => {
    const { call, sink, place, reply } = setUp({ attempts: 2 });
    place(call, A);
    await pass(1000 + WHEEL_MS);
    place(call, B);
    reply(call, ReplyKind.VALUE, 'late', { from: A });
    reply(call, ReplyKind.VALUE, 'b', { from: B });
    reply(call, ReplyKind.END, undefined, { from: B, count: 1 });
    expect(sink).toMatchObject({ values: ['b'], outcome: 'end' });
  });
});

/** A sink that says itself what it has consumed. */
class PulledSink extends RecordingSink {
  readonly isPulled = true;
}

describe('what was consumed of a stream', () => {
  /** So many values arrive, each with so many bytes. */
  const arrive = ({ call, reply }: ReturnType<typeof setUp>, count: number, bytes = 100) => {
    for (let i = 0; i < count; i++) reply(call, ReplyKind.VALUE, i, { count: call.values, bytes });
  };

  it('is told to its node after half a window', () => {
    const all = setUp();
    all.place(all.call);
    arrive(all, REPORT_AFTER - 1);
    expect(all.path.reported).toEqual([]);
    arrive(all, 1 + REPORT_AFTER);
    const id = all.call.id;
    expect(all.path.reported).toEqual([
      [A, id, REPORT_AFTER],
      [A, id, 2 * REPORT_AFTER],
    ]);
  });

  it('is told sooner when the values are long', () => {
    const all = setUp();
    all.place(all.call);
    arrive(all, 4, REPORT_AFTER_BYTES / 2 + 20_000);
    expect(all.path.reported.map(([, , count]) => count)).toEqual([2, 4]);
  });

  it('goes to where the values come from, and not before it is known who has the call', () => {
    const all = setUp();
    arrive(all, REPORT_AFTER);
    expect(all.path.reported).toEqual([[A, all.call.id, REPORT_AFTER]]);
  });

  it('is told again when the node says that it waits, which shows it that the caller is there', () => {
    const all = setUp();
    all.place(all.call);
    arrive(all, 3);
    all.reply(all.call, ReplyKind.PROGRESS, undefined, { count: 3 });
    expect(all.path.reported).toEqual([[A, all.call.id, 3]]);
  });

  it('is told again on a new connection, and to the new inbox of its node', () => {
    const all = setUp();
    const { caller, call, path, place } = all;
    place(call);
    arrive(all, 3);
    caller.placed.onPathOpened(path);
    caller.placed.onNodeBack(path, A, 'node-a.2');
    expect(path.reported).toEqual([
      [A, call.id, 3],
      ['node-a.2', call.id, 3],
    ]);
    expect(path.asked).toHaveLength(2);
  });

  it('is not told of a plain call that is asked for', () => {
    const { caller, call, path, place } = setUp();
    place(call);
    caller.placed.onPathOpened(path);
    expect(path.reported).toEqual([]);
  });

  it('is what the consumer has taken, if it takes for itself', () => {
    const all = setUp({}, new FakePath(), new PulledSink());
    all.place(all.call);
    arrive(all, REPORT_AFTER);
    expect(all.path.reported).toEqual([]);
    for (let i = 0; i < REPORT_AFTER; i++) all.caller.consumed(all.call);
    expect(all.path.reported).toEqual([[A, all.call.id, REPORT_AFTER]]);
    all.reply(all.call, ReplyKind.END, undefined, { count: REPORT_AFTER });
    all.caller.consumed(all.call);
    expect(all.path.reported).toHaveLength(1);
  });
});

describe('the time between two values', () => {
  it('does not run while the consumer has values to take, and then begins anew', async () => {
    const sink = new PulledSink();
    const { caller, call, place, reply } = setUp(
      { mayOutlastDeadline: true },
      new FakePath(),
      sink,
    );
    place(call);
    reply(call, ReplyKind.VALUE, 'a');
    await pass(10_000);
    expect(sink.outcome).toBeUndefined();
    caller.consumed(call);
    await pass(1000 - 2 * WHEEL_MS);
    expect(sink.outcome).toBeUndefined();
    await pass(4 * WHEEL_MS);
    expect(sink.outcome).toBe(CloudsErrorCode.TIMEOUT);
  });

  it('is over at the deadline that the call has set', async () => {
    const sink = new PulledSink();
    const { call, place, reply } = setUp({ deadlineMs: 3000 }, new FakePath(), sink);
    place(call);
    reply(call, ReplyKind.VALUE, 'a');
    await pass(3000 - WHEEL_MS);
    expect(sink.outcome).toBeUndefined();
    await pass(2 * WHEEL_MS);
    expect(sink.outcome).toBe(CloudsErrorCode.TIMEOUT);
  });
});

describe('the answer to an ask about a stream', () => {
  it.each([
    ['goes on when all values have arrived', 1, undefined],
    ['fails at once when some are lost', 2, CloudsErrorCode.NODE_LOST],
  ])('says that it %s', (_, count, outcome) => {
    const { call, sink, place, reply } = setUp();
    place(call);
    reply(call, ReplyKind.VALUE, 'a');
    reply(call, ReplyKind.PROGRESS, undefined, { count });
    expect(sink.outcome).toBe(outcome);
  });
});

describe('the deadline of a stream that keeps coming', () => {
  /** Ten values, 900 ms apart, of a call that waits 1000 ms for each. */
  async function stream(options: CallOptions): Promise<RecordingSink> {
    const defaults = parseOptions({ service: { callbackTimeout: 1000 } });
    const { call, sink, place, reply } = setUp(callPlan(false, options, defaults));
    place(call);
    for (let count = 0; count < 10; count++) {
      await pass(900);
      reply(call, ReplyKind.VALUE, count, { count });
    }
    return sink;
  }

  it('is none, unless the call sets one', async () => {
    expect(await stream({})).toMatchObject({ outcome: undefined, values: { length: 10 } });
  });

  it('is the one that the call sets', async () => {
    const sink = await stream({ deadline: 5000 });
    expect(sink).toMatchObject({ outcome: CloudsErrorCode.TIMEOUT, values: { length: 5 } });
  });
});

describe('close', () => {
  it('fails every call, cancels those that nodes have, and leaves no timer', async () => {
    const { caller, path, call, sink, start, place } = setUp({ attempts: 3 });
    const waiting = start();
    place(call, A);
    caller.close();
    expect(sink.failure).toBeInstanceOf(CloudsClosedError);
    expect(sink.failure.message).toBe(messages.closedDuringCall('sum'));
    expect(waiting.sink.outcome).toBe(CloudsErrorCode.CLOSED);
    expect(path.cancelled).toEqual([[A, call.id]]);
    expect(caller.inFlight).toBe(0);
    await pass(WHEEL_MS);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('fails them with the error that it is given', () => {
    const { caller, sink } = setUp();
    caller.close(() => cloudsError(CloudsErrorCode.DISCONNECTED, 'no Redis'));
    expect(sink.failure).toMatchObject({ code: 'CLOUDS_DISCONNECTED', message: 'no Redis' });
  });

  it('is followed by calls that time out as ever', async () => {
    const { caller, start } = setUp();
    caller.close();
    const { sink } = start();
    await pass(1000 + WHEEL_MS);
    expect(sink.outcome).toBe(CloudsErrorCode.TIMEOUT);
  });

  it('leaves its timeout to a call that is made because another one failed', async () => {
    const { caller, path } = setUp();
    const again = new RecordingSink();
    const sink = new RecordingSink();
    sink.error = () => caller.start(fakeCall({}, path, again));
    caller.start(fakeCall({}, path, sink));
    caller.close();
    await pass(1000 + WHEEL_MS);
    expect(again.outcome).toBe(CloudsErrorCode.TIMEOUT);
  });
});

describe('a stream that waits for a call which is over', () => {
  it('is cancelled', () => {
    const { caller, call, path, place, reply } = setUp();
    place(call);
    caller.cancel(call);
    path.cancelled.length = 0;
    reply(call, ReplyKind.PROGRESS, undefined, { count: 5 });
    expect(path.cancelled).toEqual([[A, call.id]]);
  });

  it('is left alone while the call goes on', () => {
    const { call, path, place, reply } = setUp();
    place(call);
    reply(call, ReplyKind.VALUE, 1);
    reply(call, ReplyKind.PROGRESS, undefined, { count: 1 });
    expect(path.cancelled).toEqual([]);
  });
});
