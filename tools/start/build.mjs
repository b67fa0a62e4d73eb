import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';

export const ROOT = path.resolve(import.meta.dirname, '../..');

/**
 * @typedef {object} Product
 * @property {string} title
 * @property {string[]} inputs files and folders that it is made from
 * @property {string} output a file that every build writes anew
 * @property {string[]} command
 */

/** @type {Record<string, Product>} */
const PRODUCTS = {
  dist: {
    title: 'the package',
    inputs: ['lib', 'tsconfig.json', 'nest-cli.json', 'tools/bare-js.mjs'],
    output: 'dist/index.js',
    command: ['npm', 'run', '--silent', 'build'],
  },
  sample: {
    title: 'the sample',
    inputs: ['sample', 'tsconfig.json', 'dist/index.d.ts'],
    output: '.build/sample/01-quick-start/worker/main.js',
    command: ['node_modules/.bin/tsc', '-p', 'sample/tsconfig.json'],
  },
  e2e: {
    title: 'the apps of the e2e tests',
    inputs: ['test/e2e/apps', 'tsconfig.json', 'dist/index.d.ts'],
    output: '.build/e2e/service.js',
    command: ['node_modules/.bin/tsc', '-p', 'test/e2e/apps/tsconfig.json'],
  },
};

/** @param {AbortSignal} [signal] */
export async function installWhenOutdated(signal) {
  if (isInstalled()) return;
  console.log('Installing what the project needs (npm ci) ...');
  await run(['npm', 'ci', '--include=dev'], signal);
}

/**
 * @param {string[]} names of products, those that others need first
 * @param {AbortSignal} [signal]
 */
export async function buildWhenOutdated(names, signal) {
  for (const name of names) {
    const product = PRODUCTS[name];
    if (isCurrent(product)) continue;
    console.log(`Building ${product.title} ...`);
    // A compiler that fails has often written its output all the same, which would look current.
    await run(product.command, signal).catch((error) => {
      rmSync(path.join(ROOT, product.output), { force: true });
      throw error;
    });
  }
}

/** Whether every package is there in the version of the lock file, but those of other platforms. */
function isInstalled() {
  const installed = packagesOf('node_modules/.package-lock.json');
  return Object.entries(packagesOf('package-lock.json')).every(
    ([name, { version, optional }]) =>
      name === '' || optional || installed[name]?.version === version,
  );
}

/**
 * @param {string} lockFile
 * @returns {Record<string, { version?: string, optional?: boolean }>}
 */
function packagesOf(lockFile) {
  const file = path.join(ROOT, lockFile);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : {};
}

/** @param {Product} product */
function isCurrent({ inputs, output }) {
  const file = path.join(ROOT, output);
  if (!existsSync(file)) return false;
  const newest = Math.max(...inputs.map((input) => lastChange(path.join(ROOT, input))));
  return newest <= statSync(file).mtimeMs;
}

/**
 * Folders count too: theirs changes when something in them comes or goes.
 *
 * @param {string} file
 * @returns {number}
 */
function lastChange(file) {
  const stats = statSync(file);
  if (!stats.isDirectory()) return stats.mtimeMs;
  const entries = readdirSync(file).map((name) => lastChange(path.join(file, name)));
  return Math.max(stats.mtimeMs, ...entries);
}

/**
 * @param {string[]} command
 * @param {AbortSignal} [signal]
 */
async function run([program, ...args], signal) {
  const stdio = /** @type {const} */ (['ignore', 'inherit', 'inherit']);
  const child = spawn(program, args, { cwd: ROOT, stdio, signal });
  const [code, killedBy] = await once(child, 'exit');
  if (code === 0) return;
  const command = [program, ...args].join(' ');
  throw new Error(`\`${command}\` failed (${killedBy ?? code}). What it printed says why.`);
}
