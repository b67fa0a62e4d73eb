/**
 * Tries one way after the other. When none works, the error tells what came of each of them.
 *
 * @template T
 * @param {[name: string, attempt: () => Promise<T>][]} attempts
 * @param {(line: string) => void} [log]
 * @returns {Promise<T>}
 */
export async function firstThatWorks(attempts, log = () => {}) {
  const failures = [];
  for (const [name, attempt] of attempts) {
    try {
      return await attempt();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      failures.push(`${name}: ${reason.trim().replaceAll('\n', '\n  ')}`);
      log(`${name}: ${reason.split('\n', 1)[0]}`);
    }
  }
  throw new Error(failures.join('\n'));
}
