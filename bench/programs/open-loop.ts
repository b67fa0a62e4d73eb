import type { Observable, Subscription } from 'rxjs';
import { setTimeout as delay } from 'node:timers/promises';
import type { LoadOf, LoadResult } from './messages.js';
import { Recorder } from './recorder.js';

/** Calls start at their times whether or not earlier ones are answered, as users do who do not know each other. */
export async function openLoop(
  { perSecond, ms, drainMs }: LoadOf<'arrivals'>,
  begin: () => Observable<unknown>,
): Promise<LoadResult> {
  const recorder = new Recorder();
  const out = new Map<Subscription, number>();
  const start = performance.now();
  for (let at = start; at < start + ms; at += exponential(1000 / perSecond)) {
    const wait = at - performance.now();
    if (wait >= 1) await delay(wait);
    call(begin(), at, recorder, out);
  }
  const giveUpAt = performance.now() + drainMs;
  while (out.size > 0 && performance.now() < giveUpAt) await delay(10);
  giveUp(out, recorder);
  return recorder.result();
}

/** Measured from when it was due: a caller that is late itself is a part of the latency. */
function call(
  answer$: Observable<unknown>,
  dueAt: number,
  recorder: Recorder,
  out: Map<Subscription, number>,
): void {
  const subscription = answer$.subscribe({
    complete: () => {
      recorder.add(performance.now() - dueAt);
      out.delete(subscription);
    },
    error: () => {
      recorder.failed++;
      out.delete(subscription);
    },
  });
  out.set(subscription, dueAt);
}

/** Left out, the worst calls would make the quantiles look better. */
function giveUp(out: Map<Subscription, number>, recorder: Recorder): void {
  const now = performance.now();
  for (const [subscription, dueAt] of out) {
    subscription.unsubscribe();
    recorder.add(now - dueAt);
    recorder.unanswered++;
  }
}

function exponential(mean: number): number {
  return -Math.log(1 - Math.random()) * mean;
}
