import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 10;

/** Waits until `condition` holds, and fails with what it was waiting for if it never does. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 10_000,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms in vain until ${what}`);
    await delay(POLL_MS);
  }
}

/** A promise to settle from outside: a gate for handlers. */
export function gate<T = void>(): { opened: Promise<T>; open: (value: T) => void } {
  let open!: (value: T) => void;
  const opened = new Promise<T>((resolve) => (open = resolve));
  return { opened, open };
}

/** The error that a promise rejects with; fails if it does not. */
export async function rejection<E = Error & { code?: string }>(
  promise: Promise<unknown>,
): Promise<E> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error as E;
  }
  throw new Error(`expected a rejection, got ${JSON.stringify(value)}`);
}

/** How a call ended: `ok`, or the code of its error. Never rejects, so that no test leaves a rejection unhandled. */
export function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (error: Error & { code?: string }) => error.code ?? error.message,
  );
}

/** How often each outcome was: `{ ok: 98, CLOUDS_TIMEOUT: 2 }`. */
export async function tally(
  promises: readonly Promise<unknown>[],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const one of await Promise.all(promises.map(outcome))) counts[one] = (counts[one] ?? 0) + 1;
  return counts;
}

/** How long it takes until a promise settles, in ms. */
export async function timeOf(promise: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await promise.catch(() => undefined);
  return performance.now() - start;
}

/** Shows a time when it is asked for, with MEASURE=1: docs/reliability.md has a table of these. */
export function measured(what: string, ms: number): void {
  if (process.env.MEASURE) console.log(`measured, ${what}: ${Math.round(ms)} ms`);
}

/** A generator of numbers in [0, 1) that repeats for a seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** For handlers that work until their request is cancelled, so that no test has to wait for them. */
export function untilCancelled(request: { signal: AbortSignal }): Promise<never> {
  return new Promise((_, reject) => {
    request.signal.addEventListener('abort', () => reject(request.signal.reason as Error));
  });
}
