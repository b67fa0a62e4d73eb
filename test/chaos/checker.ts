import { Circumstances, Course, inTime } from './course.js';
import { breachesOfEnd } from './end-rules.js';
import type { HistoryEvent } from './history.js';
import { breachesOfRuns } from './run-rules.js';
import type { Violation, ViolationKind } from './violations.js';

/** Names every breach of the promises of docs/reliability.md in a history, in any order of its events. */
export function check(history: readonly HistoryEvent[]): Violation[] {
  const courses = new Map<string, Course>();
  const circumstances = new Circumstances();
  for (const event of history) {
    if (event.what === 'joined') continue;
    if ('key' in event) courseOf(courses, event.key).events.push(event);
    else circumstances.add(event);
  }
  const violations: Violation[] = [];
  for (const [key, course] of courses) {
    const events = [...course.events].sort(inTime);
    for (const kind of breachesOf(course, circumstances)) violations.push({ kind, key, events });
  }
  return violations;
}

function courseOf(courses: Map<string, Course>, key: string): Course {
  const known = courses.get(key) ?? new Course();
  courses.set(key, known);
  return known;
}

function* breachesOf(course: Course, circumstances: Circumstances): Iterable<ViolationKind> {
  const [sent] = course.of('sent');
  if (sent === undefined) return void (yield 'ran without being sent');
  yield* breachesOfEnd(sent, course, circumstances);
  yield* breachesOfRuns(sent, course, circumstances);
}
