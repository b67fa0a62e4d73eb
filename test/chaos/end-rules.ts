import { attemptOf, type Circumstances, type Course, isForGroups, isOneWay } from './course.js';
import type { Dispatched, Replied, Sent } from './history.js';
import { CLOCK_MS, type ViolationKind } from './violations.js';

/** How long after its deadline a call may end, beside the time in which its process did not run. */
const GRACE_MS = 1000;
/** How much too early the timers of a process may be. */
const EARLY_MS = 50;

/** Ends that say that no handler has run. */
const NOT_RUN: ReadonlySet<string> = new Set([
  'CLOUDS_NO_NODE',
  'CLOUDS_OVERLOADED',
  'CLOUDS_EXPIRED',
  'CLOUDS_DISCONNECTED',
]);

/** Ends that say that the handler has run to its end. */
const RUN: ReadonlySet<string> = new Set(['ok', 'thrown']);

const CANCELLED = 'CLOUDS_CANCELLED';
const LOST = 'CLOUDS_NODE_LOST';
const TIMEOUT = 'CLOUDS_TIMEOUT';
/** The caller has cancelled it. */
const LEFT = 'left';

/** Ends that calls do not have in a fleet that is well. */
const CAUSED: ReadonlySet<string> = new Set([
  'CLOUDS_NO_NODE',
  'CLOUDS_DISCONNECTED',
  LOST,
  CANCELLED,
]);

const SENT_EVENT = [
  ...['ok', 'CLOUDS_NO_NODE', 'CLOUDS_OVERLOADED', 'CLOUDS_DISCONNECTED'],
  ...[LOST, TIMEOUT],
];

/**
 * How the calls of the load can end: they are good ones, and their caller is not closed before they have ended. A node that is restarted cancels what it still has after a while. A stream's handler does not fail; a
 * one-way call has ended before its handler says anything.
 */
const POSSIBLE: Readonly<Record<Sent['kind'], readonly string[]>> = {
  request: [...RUN, ...NOT_RUN, LOST, TIMEOUT, CANCELLED, LEFT],
  stream: ['ok', ...NOT_RUN, LOST, TIMEOUT, CANCELLED, LEFT],
  event: SENT_EVENT,
  published: SENT_EVENT,
  broadcast: SENT_EVENT,
};

/** What is wrong with how, and when, a call has ended for its caller. */
export function* breachesOfEnd(
  sent: Sent,
  course: Course,
  circumstances: Circumstances,
): Iterable<ViolationKind> {
  const replies = course.of('replied');
  if (course.of('sent').length > 1) yield 'was sent twice';
  if (replies.length === 0 && !circumstances.isKilled(sent.by)) yield 'never ended';
  if (replies.length > 1) yield 'ended twice';
  for (const reply of replies) {
    if (reply.by !== sent.by) yield 'ended elsewhere';
    yield* breachesOfTime(sent, reply, course, circumstances);
    if (!hasCause(sent, reply, course, circumstances)) yield 'has an end that nothing caused';
    yield* breachesOfTruth(sent, reply, course);
  }
}

/**
 * Whether something was wrong that such an end can come of. Only a node that is restarted cancels a call by itself. One
 * that has a stream again which its caller had cancelled there, or did not come back for, has it no longer whole.
 */
function hasCause(
  sent: Sent,
  { at, outcome }: Replied,
  course: Course,
  circumstances: Circumstances,
): boolean {
  if (!CAUSED.has(outcome)) return true;
  const isBack = sent.kind === 'stream' && course.of('dispatched').length > 1;
  return outcome === CANCELLED && !isBack
    ? circumstances.wasRestarted(sent.at, at)
    : circumstances.wasDisturbed(sent.at, at);
}

function* breachesOfTime(
  sent: Sent,
  { at, outcome }: Replied,
  course: Course,
  circumstances: Circumstances,
): Iterable<ViolationKind> {
  const lateMs = at - sent.at - sent.deadlineMs - circumstances.stalledMs(sent.by, sent.at, at);
  if (lateMs > GRACE_MS) yield 'ended late';
  const dispatches = course.of('dispatched');
  if (outcome === TIMEOUT && !hasHadItsTime(sent, dispatches, at)) yield 'timed out early';
  if (dispatches.some((dispatch) => dispatch.at > at + CLOCK_MS)) yield 'dispatched after its end';
}

/**
 * Whether the deadline of the call has come, or some attempt can have had its timeout. An attempt begins after the one
 * before it was dispatched, and is over when the next is.
 */
function hasHadItsTime(sent: Sent, dispatches: readonly Dispatched[], endedAt: number): boolean {
  const hasPassed = (ms: number, from: number, to: number) => to - from >= ms - EARLY_MS;
  if (hasPassed(sent.deadlineMs, sent.at, endedAt)) return true;
  const firsts = new Map<number, number>();
  for (const one of dispatches) if (!firsts.has(attemptOf(one))) firsts.set(attemptOf(one), one.at);
  const last = Math.max(1, ...firsts.keys());
  let beganAt = sent.at;
  for (let attempt = 1; attempt <= last; attempt++) {
    const overAt = firsts.get(attempt + 1) ?? endedAt;
    if (hasPassed(sent.timeoutMs, beganAt, overAt)) return true;
    beganAt = firsts.get(attempt) ?? beganAt;
  }
  return false;
}

function* breachesOfTruth(sent: Sent, reply: Replied, course: Course): Iterable<ViolationKind> {
  const { outcome } = reply;
  if (!isPossible(sent, reply)) yield 'has an end that it cannot have';
  if (reply.isOwn === false) yield 'got what is not its own';
  // One group can have what is published, and another cannot be found. The end of an event is that a node has it.
  if (isForGroups(sent)) return;
  if (NOT_RUN.has(outcome)) {
    if (course.of('started').length > 0) yield 'says that it did not run';
  } else if (RUN.has(outcome) && !isOneWay(sent)) yield* breachesOfAnswer(reply, course);
}

function isPossible({ kind, at, leavesAfterMs = Infinity }: Sent, reply: Replied): boolean {
  const { outcome } = reply;
  if (outcome === LEFT && reply.at - at < leavesAfterMs - EARLY_MS) return false;
  return POSSIBLE[kind].includes(outcome);
}

function* breachesOfAnswer(
  { outcome, isOwn, from, at }: Replied,
  course: Course,
): Iterable<ViolationKind> {
  const isError = outcome === 'thrown';
  if (!isError && (isOwn === undefined || from === undefined)) yield 'got what is not its own';
  const ends = course
    .of('ended')
    .filter((end) => end.isError === isError && (from === undefined || end.by === from));
  if (ends.length === 0) yield 'says that it ran';
  else if (ends[0]!.at > at + CLOCK_MS) yield 'ended before its handler';
}
