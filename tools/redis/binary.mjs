import { accessSync, constants, existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { binaryFromApt } from './apt.mjs';
import { firstThatWorks } from './attempts.mjs';
import { compileRedis } from './compile.mjs';
import { assertRecentBinary } from './version.mjs';

/**
 * @typedef {object} FetchOptions
 * @property {NodeJS.ProcessEnv} env
 * @property {string} cacheDir
 * @property {(line: string) => void} log
 */

/** @param {NodeJS.ProcessEnv} env */
export async function binaryFromPath(env) {
  const names = ['redis-server', 'valkey-server'];
  const found = names.flatMap((name) => findExecutable(name, env) ?? []);
  if (!found.length) throw new Error(`neither ${names.join(' nor ')} is on the PATH`);
  return firstThatWorks(found.map((binary) => ['PATH', () => whenRecent(binary)]));
}

/** @param {FetchOptions} options */
export async function fetchBinary({ env, log, ...options }) {
  const cacheDir = path.resolve(options.cacheDir);
  const compiledDir = path.join(cacheDir, 'compiled');
  /** @type {[string, () => Promise<string>][]} */
  const ways = [
    ['apt-get', () => binaryFromApt({ env, cacheDir, log }, findExecutable('apt-get', env))],
    ['redis-memory-server', async () => whenRecent(await compileRedis(compiledDir, log))],
  ];
  // Compiled once means that apt-get had nothing suitable: do not ask it every time.
  return firstThatWorks(existsSync(compiledDir) ? ways.reverse() : ways);
}

/** @param {string} binary */
async function whenRecent(binary) {
  await assertRecentBinary(binary);
  return binary;
}

/**
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env
 */
function findExecutable(name, env) {
  const folders = (env.PATH ?? '').split(path.delimiter).filter(Boolean);
  return folders.map((folder) => path.resolve(folder, name)).find(isExecutable);
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
