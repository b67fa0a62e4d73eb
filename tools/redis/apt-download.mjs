import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { firstThatWorks } from './attempts.mjs';

const run = promisify(execFile);
const TIMEOUT_MS = 5 * 60_000;
const MOST_OUTPUT = 64 * 1024 * 1024;

/**
 * @typedef {import('./apt.mjs').Job} Job
 * @typedef {(...args: string[]) => Promise<string>} Apt runs apt-get, in the folder for packages
 */

/**
 * The system's package lists may be absent (as in most containers) or outdated: then private ones.
 *
 * @param {Job} job
 * @param {string[]} packages
 * @returns {Promise<Apt>} the apt-get that worked
 */
export async function download(job, packages) {
  await mkdir(path.join(job.work, 'debs'));
  return firstThatWorks([
    ['with the package lists of the system', () => downloadWith(aptGet(job), packages)],
    ['with fresh package lists', () => downloadWithFreshLists(job, packages)],
  ]);
}

/**
 * @param {Apt} apt
 * @param {string[]} packages
 */
async function downloadWith(apt, packages) {
  await apt('download', ...packages);
  return apt;
}

/**
 * @param {Job} job
 * @param {string[]} packages
 */
async function downloadWithFreshLists(job, packages) {
  job.log('fetching package lists');
  const apt = aptGet(job, ['-c', await writePrivateConfig(job)]);
  // One broken third-party source fails the update, though the lists of all others have come.
  const updateProblem = await apt('update').then(
    () => '',
    (error) => `${error.message}\n`,
  );
  return downloadWith(apt, packages).catch((error) => {
    throw new Error(updateProblem + error.message, { cause: error });
  });
}

/**
 * @param {Job} job
 * @param {string[]} [options]
 * @returns {Apt}
 */
function aptGet({ work, env }, options = []) {
  return async (...args) => {
    const { stdout } = await run('apt-get', ['-q', ...options, ...args], {
      cwd: path.join(work, 'debs'),
      env: { ...env, LC_ALL: 'C' },
      timeout: TIMEOUT_MS,
      maxBuffer: MOST_OUTPUT,
    }).catch((error) => {
      const said = (error.stderr || error.message).trim().split('\n').slice(-5).join('\n');
      throw new Error(`apt-get ${args.join(' ')} failed: ${said}`, { cause: error });
    });
    return stdout;
  };
}

/** @param {Job} job */
async function writePrivateConfig({ work }) {
  const apt = path.join(work, 'apt');
  await mkdir(path.join(apt, 'lists/partial'), { recursive: true });
  await mkdir(path.join(apt, 'cache/archives/partial'), { recursive: true });
  // As root, apt would drop to a user who may not enter this folder, and the hooks of the system
  // would run: they tidy up folders of the system.
  const settings = [
    `Dir::State "${apt}";`,
    `Dir::State::lists "${apt}/lists";`,
    `Dir::Cache "${apt}/cache";`,
    `Dir::Cache::archives "${apt}/cache/archives";`,
    'APT::Sandbox::User "root";',
    'APT::Update::Error-Mode "any";',
    'Acquire::Languages "none";',
    '#clear APT::Update::Pre-Invoke;',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
  ];
  const config = path.join(work, 'apt.conf');
  await writeFile(config, `${settings.join('\n')}\n`);
  return config;
}
