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

/** The same of a loop, which is left after `limit` values. */
export async function taken(values: AsyncIterable<unknown>, limit?: number): Promise<Outcome> {
  const seen: unknown[] = [];
  try {
    for await (const value of values) if (seen.push(value) === limit) break;
    return { values: seen };
  } catch (error) {
    return { values: seen, error: plain(error) };
  }
}

/** The message of an Error is lost on the way to the test. */
function plain(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message } = error;
  return { ...error, name, message };
}
