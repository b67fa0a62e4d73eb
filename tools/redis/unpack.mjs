import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TIMEOUT_MS = 60_000;

/** @typedef {import('./apt.mjs').Job} Job */

/** @param {Job} job */
export async function unpack({ work, env }) {
  const packages = path.join(work, 'debs');
  const root = rootOf(work);
  await mkdir(root, { recursive: true });
  for (const file of await readdir(packages)) {
    if (!file.endsWith('.deb')) continue;
    await run('dpkg-deb', ['-x', path.join(packages, file), root], { env, timeout: TIMEOUT_MS });
  }
}

/** @param {Job} job */
export async function lacksLibraries({ name, work, env }) {
  const { stdout, stderr } = await run('ldd', [path.join(rootOf(work), 'usr/bin', name)], {
    env: { ...env, LC_ALL: 'C' },
    timeout: TIMEOUT_MS,
  });
  return /not found/.test(stdout + stderr);
}

/**
 * The launcher finds the libraries next to itself and becomes the server: same pid.
 *
 * @param {Job} job
 * @returns {Promise<string>} its path
 */
export async function writeLauncher({ name, work }) {
  const root = rootOf(work);
  const folders = (await libraryFolders(root)).map((folder) => `$here/root/${folder}`);
  const lines = ['#!/bin/sh', 'here=${0%/*}'];
  if (folders.length) lines.push(`export LD_LIBRARY_PATH="${folders.join(':')}"`);
  lines.push(`exec "$here/root/usr/bin/${name}" "$@"`, '');

  const launcher = path.join(path.dirname(root), name);
  await writeFile(launcher, lines.join('\n'));
  await chmod(launcher, 0o755);
  return launcher;
}

/** @param {string} root */
async function libraryFolders(root) {
  const entries = await readdir(root, { recursive: true });
  const libraries = entries.filter((entry) => /\.so(\.|$)/.test(path.basename(entry)));
  return [...new Set(libraries.map((entry) => path.dirname(entry)))];
}

/** @param {string} work */
function rootOf(work) {
  return path.join(work, 'server/root');
}
