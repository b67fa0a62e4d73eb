import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { download } from './apt-download.mjs';
import { firstThatWorks } from './attempts.mjs';
import { lacksLibraries, unpack, writeLauncher } from './unpack.mjs';
import { assertRecentBinary } from './version.mjs';

/** Debian keeps the real binary in the tools package; the server package holds a link to it. */
const PACKAGES = {
  'redis-server': ['redis-server', 'redis-tools'],
  'valkey-server': ['valkey-server', 'valkey-tools'],
};

/**
 * @typedef {object} Job
 * @property {keyof typeof PACKAGES} name of the server
 * @property {string} work a folder for this job alone
 * @property {NodeJS.ProcessEnv} env
 * @property {(line: string) => void} log
 */

/**
 * A server unpacked from the packages of this Debian or Ubuntu into the cache: nothing is installed
 * and no root is needed.
 *
 * @param {import('./binary.mjs').FetchOptions} options
 * @param {string | undefined} aptGet
 */
export async function binaryFromApt({ env, cacheDir, log }, aptGet) {
  if (!aptGet) throw new Error('it is not on the PATH (it exists on Debian and Ubuntu only)');
  const names = /** @type {(keyof typeof PACKAGES)[]} */ (Object.keys(PACKAGES));
  return firstThatWorks(
    names.map((name) => [
      name,
      async () => {
        const place = path.join(cacheDir, `${name}-${process.platform}-${process.arch}`);
        const binary = path.join(place, name);
        if (!(await runs(binary))) await fetchInto(place, { name, env, log });
        return binary;
      },
    ]),
  );
}

/** @param {string} binary a cached one may come from another distribution, or be half deleted */
async function runs(binary) {
  if (!existsSync(binary)) return false;
  return assertRecentBinary(binary).then(
    () => true,
    () => false,
  );
}

/**
 * Works in a folder of its own and moves the result, so that several processes may do it at once.
 *
 * @param {string} place
 * @param {Omit<Job, 'work'>} options
 */
async function fetchInto(place, options) {
  await mkdir(path.dirname(place), { recursive: true });
  const job = { ...options, work: await mkdtemp(`${place}-`) };
  try {
    job.log(`fetching ${job.name} with apt-get into ${place}`);
    const apt = await download(job, PACKAGES[job.name]);
    await unpack(job);
    if (await lacksLibraries(job)) await addLibraries(job, apt);
    const launcher = await writeLauncher(job);
    await assertRecentBinary(launcher);
    await move(launcher, place);
  } finally {
    await rm(job.work, { recursive: true, force: true });
  }
}

/**
 * A simulated installation names what is missing here, with alternatives and versions resolved.
 * The C library is left out: another one than that of the system cannot be loaded.
 *
 * @param {Job} job
 * @param {import('./apt-download.mjs').Apt} apt
 */
async function addLibraries(job, apt) {
  const plan = await apt('--simulate', '--no-install-recommends', 'install', job.name);
  const libraries = [...plan.matchAll(/^Inst (\S+)/gm)]
    .map(([, name]) => name)
    .filter((name) => /^(lib|lua)/.test(name) && !/^libc(6|-)/.test(name));
  if (!libraries.length) return;
  await apt('download', ...libraries);
  await unpack(job);
}

/**
 * @param {string} launcher
 * @param {string} place
 */
async function move(launcher, place) {
  const alreadyThere = await runs(path.join(place, path.basename(launcher)));
  if (!alreadyThere) await rm(place, { recursive: true, force: true });
  await rename(path.dirname(launcher), place).catch((error) => {
    const anotherWasQuicker = error.code === 'ENOTEMPTY' || error.code === 'EEXIST';
    if (!anotherWasQuicker) throw error;
  });
}
