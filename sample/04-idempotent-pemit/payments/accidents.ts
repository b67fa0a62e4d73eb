import { setTimeout as delay } from 'node:timers/promises';

/** Longer than a caller waits for one attempt. */
const HANG_MS = 1_500;

/** Stands for a bank that does not answer for a while. */
export async function hang(): Promise<void> {
  console.log('hangs');
  await delay(HANG_MS);
  console.log('is back');
}

/** Stands for a machine that fails. What was printed goes out first. */
export function die(): Promise<never> {
  process.stdout.write('dies\n', () => process.kill(process.pid, 'SIGKILL'));
  return new Promise<never>(() => {});
}
