import type {
  Dispatched,
  Ended,
  HistoryEvent,
  Replied,
  Sent,
  Stalled,
  Started,
  Told,
} from './history.js';

/** How long after its deadline a call may end, beside the time in which its process did not run. */
const GRACE_MS = 1000;

/** Ends that say that no handler has run. */
const NOT_RUN: ReadonlySet<string> = new Set([
  'CLOUDS_NO_NODE',
  'CLOUDS_OVERLOADED',
  'CLOUDS_EXPIRED',
  'CLOUDS_DISCONNECTED',
]);

/** Ends that say that the handler has run to its end. */
const ENDS: ReadonlySet<string> = new Set(['ok', 'thrown']);

export type ViolationKind =
  | 'never ended'
  | 'ended twice'
  | 'ended late'
  | 'got what is not its own'
  | 'ran twice'
  | 'ran twice in a group'
  | 'ran an attempt twice'
  | 'ran an attempt that it does not have'
  | 'ran without being sent'
  | 'ran without being dispatched'
  | 'says that it did not run'
  | 'says that it ran'
  | 'dispatched too often'
  | 'has an unknown outcome';

export interface Violation {
  readonly kind: ViolationKind;
  readonly key: string;
  /** All that is known of the call, in the order of time. */
  readonly events: readonly HistoryEvent[];
}

type CallEvent = Sent | Dispatched | Told | Started | Ended | Replied;

/** What the processes have seen of one call. */
class Course {
  readonly events: CallEvent[] = [];

  /** Those of one kind. */
  of<W extends CallEvent['what']>(what: W): Extract<CallEvent, { what: W }>[] {
    return this.events.filter((event) => event.what === what) as Extract<CallEvent, { what: W }>[];
  }

  get sent(): Sent | undefined {
    return this.of('sent')[0];
  }
}

/** Names every breach of the promises of docs/reliability.md in a history, in any order of its events. */
export function check(history: readonly HistoryEvent[]): Violation[] {
  const courses = new Map<string, Course>();
  const stalls: Stalled[] = [];
  const killed = new Set<string>();
  for (const event of history) {
    if (event.what === 'stalled') stalls.push(event);
    else if (event.what === 'killed') killed.add(event.by);
    else courseOf(courses, event.key).events.push(event);
  }
  const violations: Violation[] = [];
  for (const [key, course] of courses) {
    const events = [...course.events].sort((a, b) => a.at - b.at);
    for (const kind of breachesOf(course, stalls, killed)) violations.push({ kind, key, events });
  }
  return violations;
}

function courseOf(courses: Map<string, Course>, key: string): Course {
  const known = courses.get(key) ?? new Course();
  courses.set(key, known);
  return known;
}

function* breachesOf(
  course: Course,
  stalls: readonly Stalled[],
  killed: ReadonlySet<string>,
): Iterable<ViolationKind> {
  const { sent } = course;
  if (sent === undefined) return void (yield 'ran without being sent');
  yield* breachesOfEnd(sent, course.of('replied'), stalls, killed.has(sent.by));
  yield* breachesOfRuns(sent, course);
  for (const reply of course.of('replied')) yield* breachesOfTruth(reply, course);
}

function* breachesOfEnd(
  sent: Sent,
  replies: readonly Replied[],
  stalls: readonly Stalled[],
  isCallerKilled: boolean,
): Iterable<ViolationKind> {
  if (replies.length === 0 && !isCallerKilled) yield 'never ended';
  if (replies.length > 1) yield 'ended twice';
  for (const { at } of replies) {
    const lateMs = at - sent.at - sent.deadlineMs - stalledMs(stalls, sent.by, sent.at, at);
    if (lateMs > GRACE_MS) yield 'ended late';
  }
}

/** How long a process did not run between two moments. */
function stalledMs(stalls: readonly Stalled[], by: string, from: number, to: number): number {
  let total = 0;
  for (const stall of stalls) {
    if (stall.by !== by) continue;
    total += Math.max(0, Math.min(to, stall.at) - Math.max(from, stall.at - stall.ms));
  }
  return total;
}

function* breachesOfRuns(sent: Sent, course: Course): Iterable<ViolationKind> {
  const starts = course.of('started');
  const dispatches = course.of('dispatched');
  const attempts = starts.map(({ attempt }) => attempt);
  if (sent.kind === 'published') yield* breachesOfGroups(starts);
  else {
    if (sent.attempts === 1 && starts.length > 1) yield 'ran twice';
    if (new Set(attempts).size < attempts.length) yield 'ran an attempt twice';
  }
  if (attempts.some((attempt) => !hasAttempt(sent, attempt)))
    yield 'ran an attempt that it does not have';
  if (dispatches.some(({ attempt }) => !hasAttempt(sent, attempt))) yield 'dispatched too often';
  if (starts.some((start) => !dispatches.some((one) => isOf(start, one))))
    yield 'ran without being dispatched';
}

function* breachesOfGroups(starts: readonly Started[]): Iterable<ViolationKind> {
  const groups = starts.map(({ group }) => group);
  if (new Set(groups).size < groups.length) yield 'ran twice in a group';
}

function hasAttempt({ attempts, kind }: Sent, attempt: number): boolean {
  if (kind === 'event' || kind === 'published') return attempt <= 1;
  return attempt >= 1 && (attempts === -1 || attempt <= attempts);
}

/** A handler sees a one-way request as a first attempt; in the frame it has none. */
function isOf(start: Started, dispatch: Dispatched): boolean {
  return start.id === dispatch.id && start.attempt === Math.max(1, dispatch.attempt);
}

function* breachesOfTruth(reply: Replied, course: Course): Iterable<ViolationKind> {
  const { outcome, isOwn, from } = reply;
  const starts = course.of('started');
  if (isOwn === false) yield 'got what is not its own';
  const isKnown = ENDS.has(outcome) || outcome.startsWith('CLOUDS_');
  if (!isKnown) yield 'has an unknown outcome';
  // One group can have what is published, and another cannot be found.
  if (course.sent!.kind === 'published') return;
  if (NOT_RUN.has(outcome)) {
    if (starts.length > 0) yield 'says that it did not run';
  } else if (ENDS.has(outcome)) {
    const isEvent = course.sent!.kind === 'event';
    const ends = course.of('ended').filter(({ by }) => from === undefined || by === from);
    // The end of an event is that a node has it.
    if (!isEvent && !ends.some(({ isError }) => isError === (outcome === 'thrown')))
      yield 'says that it ran';
  }
}
