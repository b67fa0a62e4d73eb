import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const OLDEST = { Redis: [7, 0], Valkey: [7, 2] };

/**
 * @param {'Redis' | 'Valkey'} product
 * @param {string} version
 * @param {string} where
 */
export function assertRecent(product, version, where) {
  const [major, minor] = version.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST[product];
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new Error(
    `${where} is ${product} ${version.trim()}; ${product} ${OLDEST[product].join('.')} or newer is needed`,
  );
}

/**
 * Runs `binary --version`, so it also proves that the binary runs here at all.
 *
 * @param {string} binary
 */
export async function assertRecentBinary(binary) {
  const { stdout } = await run(binary, ['--version'], { timeout: 10_000 }).catch((error) => {
    throw new Error(`${binary} does not run: ${(error.stderr || error.message).trim()}`, {
      cause: error,
    });
  });
  const version = stdout.match(/\bv=(\d+\.\d+\S*)/)?.[1] ?? 'unknown';
  assertRecent(/valkey/i.test(stdout + binary) ? 'Valkey' : 'Redis', version, binary);
}
