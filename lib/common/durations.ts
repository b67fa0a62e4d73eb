/** Durations are written as `2 * SECOND`; every duration of this package is in milliseconds. */
export const MILLISECOND = 1;
export const SECOND = 1000 * MILLISECOND;
export const MINUTE = 60 * SECOND;

/** Node's timers hold at most this many milliseconds; a longer delay fires at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** A duration between `ms` and `ms * (1 + share)`, so that many processes do not act in step. */
export function jittered(ms: number, share = 0.2): number {
  return Math.round(ms * (1 + Math.random() * share));
}

/** Waits for `work`, but no longer than `limitMs`. What becomes of it after that is of no interest. */
export async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)));
  try {
    await Promise.race([work.catch(() => undefined), limit]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What becomes of `work`. Calls `onSilent` once when that is not known after `limitMs`. Timers run before sockets
 * are read: after a pause of the process what it waits for may be there already.
 */
export async function watched<T>(
  work: Promise<T>,
  limitMs: number,
  onSilent: () => void,
): Promise<T> {
  let immediate: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => (immediate = setImmediate(onSilent)), limitMs);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
    clearImmediate(immediate);
  }
}
