import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { acquireRedis } from '../redis.mjs';
import { run } from './run.mjs';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const TSC = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
const HERE = path.join(ROOT, '.build', 'contract');
const REPORT = 'report.tap';

/**
 * @typedef {object} Counts
 * @property {number} passed
 * @property {number} failed
 * @property {number} [skipped]
 */

/**
 * Runs the compiled suite in a folder, from whose packages it takes Nest.
 *
 * @param {string} folder
 * @param {string} redisUrl
 * @returns {Promise<Counts>}
 */
export async function runSuite(folder, redisUrl) {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.test.js'));
  await rm(path.join(folder, REPORT), { force: true });
  const reporters = [
    '--test-reporter=dot',
    '--test-reporter-destination=stdout',
    '--test-reporter=tap',
    `--test-reporter-destination=${REPORT}`,
  ];
  const command = [process.execPath, '--test', '--test-concurrency=2', ...reporters, ...files];
  const env = { REDIS_URL: redisUrl, NODE_OPTIONS: '' };
  const { code, output } = await run(command, { cwd: folder, env, mayFail: true });
  const report = await readFile(path.join(folder, REPORT), 'utf8');
  const counts = countsOf(report);
  if (code !== 0) console.log(`${failuresOf(report)}\n${output}`);
  const isWrong = code !== 0 || counts.passed === 0;
  return isWrong ? { ...counts, failed: Math.max(counts.failed, 1) } : counts;
}

/** The suite against the package as it is built here and the Nest that is installed here. */
export async function runHere() {
  await rm(HERE, { recursive: true, force: true });
  await run([process.execPath, TSC, '-p', 'test/contract'], { cwd: ROOT });
  const redis = await acquireRedis({ log: (line) => console.error(line) });
  try {
    return await runSuite(HERE, redis.url);
  } finally {
    await redis.stop();
  }
}

/** @returns {Counts} */
function countsOf(report) {
  const count = (name) => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(report)?.[1] ?? 0);
  return { passed: count('pass'), failed: count('fail') + count('cancelled') };
}

/** What TAP says of the tests that failed, their suites included. */
function failuresOf(report) {
  const blocks = report.match(/^ *not ok [^]*?^ *\.\.\.$/gm) ?? [];
  return blocks.join('\n');
}
