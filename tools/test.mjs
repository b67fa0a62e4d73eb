/**
 * `npm test`: lint, types and build, stopping at the first that fails; then all tests, the contract with
 * Nest, a minute of faults and a check of the speed. The last line says `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { runHere } from './contract/suite.mjs';

const ROOT = path.resolve(import.meta.dirname, '..');
const REPORT = path.join(ROOT, '.build', 'test-report.json');

/** A step that fails leaves nothing to count but itself. */
const ONE_FAILURE = { passed: 0, failed: 1 };

/** @type {[title: string, command: string[]][]} */
const STEPS = [
  ['Lint', ['npm', 'run', '--silent', 'lint']],
  ['Types', ['npm', 'run', '--silent', 'types']],
  ['Build', ['npm', 'run', '--silent', 'build']],
];
/** Each on its own, after the tests: what runs beside it would slow all down. Each counts as one test. */
/** @type {[title: string, command: string[]][]} */
const CHECKS = [
  ['Faults', ['npm', 'run', '--silent', 'chaos', '--', '--seeds', '10', '--jobs', '2']],
  ['Speed', ['npm', 'run', '--silent', 'bench:guard']],
];
const TESTS = [
  path.join(ROOT, 'node_modules', '.bin', 'vitest'),
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${REPORT}`,
];

async function main() {
  for (const [title, command] of STEPS) {
    if (!succeeds(title, command)) return conclude(ONE_FAILURE);
  }
  rmSync(REPORT, { force: true });
  const isGreen = succeeds('Tests', TESTS);
  const { passed, failed } = readReport();
  // An error outside of every test fails the run, but is not in the report.
  const failures = isGreen ? failed : Math.max(failed, 1);
  const contract = await readContract();
  const checked = CHECKS.filter(([title, command]) => succeeds(title, command)).length;
  conclude({
    passed: passed + contract.passed + checked,
    failed: failures + contract.failed + CHECKS.length - checked,
  });
}

/** The suite of `npm run contract`, with the Nest that is installed here. */
async function readContract() {
  console.log('\n=== Contract ===');
  try {
    return await runHere();
  } catch (error) {
    console.error(error.message);
    return ONE_FAILURE;
  }
}

/**
 * @param {string} title
 * @param {string[]} command
 */
function succeeds(title, [program, ...args]) {
  console.log(`\n=== ${title} ===`);
  const stdio = /** @type {const} */ (['ignore', 'inherit', 'inherit']);
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio });
  if (error) console.error(error.message);
  return status === 0;
}

function readReport() {
  let report;
  try {
    report = JSON.parse(readFileSync(REPORT, 'utf8'));
  } catch {
    return ONE_FAILURE;
  }
  const { numPassedTests, numFailedTests, testResults } = report;
  return { passed: numPassedTests, failed: numFailedTests + countBrokenFiles(testResults) };
}

/** Files that failed without any of their tests: they could not be loaded, or a hook threw. */
function countBrokenFiles(files) {
  const isBroken = ({ status, assertionResults }) =>
    status === 'failed' && !assertionResults.some((test) => test.status === 'failed');
  return files.filter(isBroken).length;
}

/** @param {{ passed: number, failed: number }} counts */
function conclude({ passed, failed }) {
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main();
