import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';

const PACKAGE = 'redis-memory-server@0.17';
const run = promisify(execFile);

/**
 * Compiles Redis with `redis-memory-server`. That is no dependency of the project: its install step
 * compiles at once, wherever it is installed, and most machines never need it.
 * @param {string} folder where the package and what it makes are kept
 * @param {(line: string) => void} log
 * @returns {Promise<string>} path of the binary
 */
export async function compileRedis(folder, log) {
  const load = createRequire(path.join(folder, 'package.json'));
  if (!existsSync(path.join(folder, 'node_modules'))) await installPackage(folder);
  const downloadDir = path.join(folder, 'binaries');
  if (!existsSync(downloadDir)) log('compiling Redis; this takes some minutes, once');
  return load('redis-memory-server').RedisBinary.getPath({ downloadDir });
}

/** @param {string} folder */
async function installPackage(folder) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
  // Without its install script, which would compile into a place of its own.
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', PACKAGE];
  await run('npm', args, { cwd: folder });
}
