import { afterEach, beforeEach, vi } from 'vitest';

/** For a file of tests: time stands still, and goes on only when a test lets it. */
export function useFakeClock(): void {
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: [
        'setTimeout',
        'clearTimeout',
        'setInterval',
        'clearInterval',
        'setImmediate',
        'clearImmediate',
        'performance',
        'Date',
      ],
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });
}

/** Lets `ms` pass, with all that falls due meanwhile. */
export async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

/** Lets the present turn of the event loop end: promises, then what waits for setImmediate. */
export async function turn(): Promise<void> {
  // An immediate that a timer sets falls due one ms later on the fake clock.
  await vi.advanceTimersByTimeAsync(1);
}
