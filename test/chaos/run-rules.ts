import { attemptOf, type Circumstances, type Course, isForGroups, isOneWay } from './course.js';
import type { Dispatched, Ended, Sent, Started } from './history.js';
import { CLOCK_MS, type ViolationKind } from './violations.js';

/** How long after the time of its call a handler may start. */
const LATE_START_MS = 1000;
/** How long after the end of its call a stream may go on. */
const LATE_END_MS = 1000;
/** The same where the cancel may be lost, with all that may hold up what makes up for it: a host is gone for 8 s. */
const LATEST_END_MS = 20_000;

/** What is wrong with what was done for a call. */
export function* breachesOfRuns(
  sent: Sent,
  course: Course,
  circumstances: Circumstances,
): Iterable<ViolationKind> {
  const starts = course.of('started');
  const dispatches = course.of('dispatched');
  const attempts = starts.map(({ attempt }) => attempt);
  if (isForGroups(sent)) {
    const isForAll = sent.kind === 'broadcast';
    const takers = starts.map(({ group, by }) => (isForAll ? `${group} ${by}` : group));
    if (hasTwice(takers)) yield isForAll ? 'ran twice at a node' : 'ran twice in a group';
  } else {
    if (sent.attempts === 1 && starts.length > 1) yield 'ran twice';
    if (hasTwice(attempts)) yield 'ran an attempt twice';
  }
  if (hasTwice(course.of('ended').map(nameOfRun))) yield 'ended its run twice';
  if (attempts.some((attempt) => !hasAttempt(sent, attempt)))
    yield 'ran an attempt that it does not have';
  if (dispatches.some(({ attempt }) => !hasAttempt(sent, attempt))) yield 'dispatched too often';
  for (const start of starts) {
    yield* breachesOfStart(sent, start, course, circumstances);
    if (sent.kind === 'stream') yield* breachesOfSource(start, course, circumstances);
  }
}

function hasTwice(items: readonly unknown[]): boolean {
  return new Set(items).size < items.length;
}

function nameOfRun({ by, id, attempt }: Started | Ended): string {
  return `${by} ${id} ${attempt}`;
}

function hasAttempt(sent: Sent, attempt: number): boolean {
  if (isOneWay(sent)) return attempt <= 1;
  return attempt >= 1 && (sent.attempts === -1 || attempt <= sent.attempts);
}

function* breachesOfStart(
  sent: Sent,
  start: Started,
  course: Course,
  circumstances: Circumstances,
): Iterable<ViolationKind> {
  const dispatch = course.of('dispatched').findLast((one) => isOf(start, one));
  if (dispatch === undefined) return void (yield 'ran without being dispatched');
  // On its way a message does not age: nodes know when Redis had it.
  if (circumstances.wasHeld(dispatch.at, start.at)) return;
  const stalledMs = circumstances.stalledMs(sent.by, dispatch.at, start.at);
  const expiredAt = Math.min(dispatch.at + sent.timeoutMs, sent.at + sent.deadlineMs);
  if (start.at - expiredAt - stalledMs > LATE_START_MS) yield 'started after its time';
  const endedAt = isOneWay(sent) ? undefined : course.of('replied')[0]?.at;
  if (endedAt === undefined) return;
  // While a node is frozen it does not hear of a cancel either.
  const deafMs = circumstances.stalledMs(start.by, endedAt, start.at);
  if (start.at - endedAt - stalledMs - deafMs > LATE_START_MS) yield 'started after its end';
}

/** What is wrong with how long the source of a stream went on. */
function* breachesOfSource(
  start: Started,
  course: Course,
  circumstances: Circumstances,
): Iterable<ViolationKind> {
  const reply = course.of('replied')[0];
  // What its node had begun when it was killed has no end.
  if (reply === undefined || circumstances.isKilled(start.by)) return;
  const from = Math.max(reply.at, start.at);
  const endedAt = course.of('ended').find((end) => nameOfRun(end) === nameOfRun(start))?.at;
  if (endedAt === undefined) return void (yield 'went on after its end');
  const mayBeLost = circumstances.wasDisturbed(start.at, from + LATE_END_MS);
  const stalledMs = [reply.by, start.by].map((by) => circumstances.stalledMs(by, from, endedAt));
  const lateMs = endedAt - from - stalledMs[0]! - stalledMs[1]!;
  if (lateMs > (mayBeLost ? LATEST_END_MS : LATE_END_MS)) yield 'went on after its end';
}

function isOf(start: Started, dispatch: Dispatched): boolean {
  const isSame = start.id === dispatch.id && start.attempt === attemptOf(dispatch);
  return isSame && dispatch.at <= start.at + CLOCK_MS;
}
