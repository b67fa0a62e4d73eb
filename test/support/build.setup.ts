import { execFile } from 'node:child_process';
import { mkdir, readdir, rmdir, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Runs of the tests may overlap: one of them builds, the others wait. */
const LOCK = `${ROOT}.cache/build.lock`;
const LOCK_LIMIT_MS = 120_000;

/** The programs that tests start import the built package: builds it if it is older than its sources. */
export default async function setup(): Promise<void> {
  if (await isBuilt()) return;
  await locked(async () => {
    if (!(await isBuilt())) await build();
  });
}

async function build(): Promise<void> {
  try {
    await promisify(execFile)('npm', ['run', '--silent', 'build'], { cwd: ROOT });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(
      `Tests that start processes need the package in dist/, but "npm run build" failed:\n${stdout ?? ''}${stderr ?? ''}`,
      { cause: error },
    );
  }
}

async function isBuilt(): Promise<boolean> {
  const built = await changedAt(`${ROOT}dist/index.js`);
  const files = await readdir(`${ROOT}lib`, { recursive: true });
  const sources = files.filter(
    (file) => /\.(ts|lua)$/.test(file) && !file.endsWith('generated.ts'),
  );
  const changes = await Promise.all(sources.map((file) => changedAt(`${ROOT}lib/${file}`)));
  return built > Math.max(...changes);
}

async function changedAt(file: string): Promise<number> {
  try {
    return (await stat(file)).mtimeMs;
  } catch {
    return -Infinity;
  }
}

async function locked(act: () => Promise<void>): Promise<void> {
  await mkdir(`${ROOT}.cache`, { recursive: true });
  const end = Date.now() + LOCK_LIMIT_MS;
  while (!(await couldLock())) {
    if (Date.now() > end) throw new Error(`${LOCK} is held by nobody who builds: remove it.`);
    await delay(100);
  }
  try {
    await act();
  } finally {
    await rmdir(LOCK);
  }
}

async function couldLock(): Promise<boolean> {
  try {
    await mkdir(LOCK);
    return true;
  } catch {
    return false;
  }
}
