import type { Observable } from 'rxjs';

/** What a caller has seen of a call: its values, and how it ended. */
export interface Outcome {
  values: unknown[];
  /** Missing when the call completed. */
  error?: unknown;
}

export function outcomeOf(values$: Observable<unknown>): Promise<Outcome> {
  return new Promise((resolve) => {
    const values: unknown[] = [];
    values$.subscribe({
      next: (value) => values.push(value),
      error: (error: unknown) => resolve({ values, error: plain(error) }),
      complete: () => resolve({ values }),
    });
  });
}

/** The message of an Error is lost on the way to the test. */
function plain(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message } = error;
  return { ...error, name, message };
}
