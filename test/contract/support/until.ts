import { setTimeout as delay } from 'node:timers/promises';

const LIMIT_MS = 10_000;
const STEP_MS = 10;

/** Waits until `condition` holds. */
export async function until(what: string, condition: () => unknown): Promise<void> {
  const end = Date.now() + LIMIT_MS;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`Not within ${LIMIT_MS} ms: ${what}`);
    await delay(STEP_MS);
  }
}

/** A promise, and the function that resolves it. */
export function gate(): { passed: Promise<void>; open: () => void } {
  let open!: () => void;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open };
}
