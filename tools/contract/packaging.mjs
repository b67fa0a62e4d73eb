import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { companions, compile, makeApp } from './apps.mjs';
import { run } from './run.mjs';
import { ROOT } from './suite.mjs';

/** Room for a release or two; whoever needs more looks first at what has got into the tarball. */
const MOST_BYTES = 450_000;
const MOST_UNPACKED_BYTES = 1_800_000;
const ATTW = '@arethetypeswrong/cli@0.18.5';
const ESBUILD = 'esbuild@0.28.2';
/** A CommonJS application requires an ES module, as Node.js can since 20.19; that is meant. */
const MEANT = ['--ignore-rules', 'cjs-resolves-to-esm'];
/** Nest loads these only if an application uses them. */
const NEST_PACKAGES = ['common', 'core', 'microservices'].map((name) => `@nestjs/${name}`);
/** Optional for Nest, not for this package. */
const NEEDED = [...NEST_PACKAGES, 'ioredis'];

/** @typedef {import('./suite.mjs').Counts} Counts */

/**
 * Whether the tarball is fit to be published, seen from an application that has only the required peers.
 *
 * @returns {Promise<Counts>}
 */
export async function checkPackage(packed, folder, redisUrl) {
  const app = path.join(folder, 'plain');
  const tools = path.join(folder, 'tools');
  const peers = await companions(['@types/node', 'ioredis', 'reflect-metadata', 'rxjs']);
  await makeApp(app, { type: 'module', packages: [packed.tarball, ...NEST_PACKAGES, ...peers] });
  await makeApp(tools, { type: 'module', packages: [ATTW, ESBUILD] });
  await cp(path.join(ROOT, 'test/packaging'), path.join(app, 'src'), { recursive: true });
  const bin = (name) => path.join(tools, 'node_modules', '.bin', name);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [title, check] of [
    ['the tarball is small', () => checkSize(packed)],
    ['it is as publint wants it', () => lint(packed)],
    ['the types are right for every way to resolve them', () => checkTypes(bin, packed, folder)],
    ['nothing that an application installs has a known hole', () => audit(app)],
    ['the declarations need only the required peers', () => compile(app)],
    ['it serves and calls', () => serveAndCall(path.join(app, 'out/main.js'), app, redisUrl)],
    ['it does so bundled as ES module', () => bundle(bin, app, 'esm', redisUrl)],
    ['it does so bundled as CommonJS', () => bundle(bin, app, 'cjs', redisUrl)],
  ]) {
    counts[await outcomeOf(title, check)]++;
  }
  await rm(app, { recursive: true, force: true });
  return counts;
}

/** Thrown by a check that could not be made: nothing is known then. */
class NotChecked extends Error {}

/** @returns {Promise<keyof Counts>} */
async function outcomeOf(title, check) {
  try {
    const note = await check();
    console.log(`ok: ${title}${note ? ` (${note})` : ''}`);
    return 'passed';
  } catch (error) {
    if (error instanceof NotChecked) {
      console.log(`not checked: ${title} (${error.message})`);
      return 'skipped';
    }
    console.error(`not ok: ${title}\n${error.message}`);
    return 'failed';
  }
}

function checkSize({ size, unpackedSize }) {
  const note = `${size} bytes, ${unpackedSize} unpacked`;
  if (size > MOST_BYTES || unpackedSize > MOST_UNPACKED_BYTES) throw new Error(note);
  return note;
}

async function lint({ tarball }) {
  await run([path.join(ROOT, 'node_modules/.bin/publint'), 'run', tarball, '--strict'], {
    cwd: ROOT,
  });
}

async function checkTypes(bin, { tarball }, cwd) {
  await run([bin('attw'), tarball, ...MEANT], { cwd });
}

/** Not every registry answers such questions. */
async function audit(cwd) {
  const command = ['npm', 'audit', '--omit=dev', '--json', '--loglevel=silent'];
  const { output } = await run(command, { cwd, mayFail: true });
  const { metadata, message } = reportIn(output);
  if (!metadata) throw new NotChecked(message ?? 'the registry does not tell');
  if (metadata.vulnerabilities.total > 0) throw new Error(output);
}

function reportIn(output) {
  try {
    return JSON.parse(output);
  } catch {
    return { message: output.trim() || undefined };
  }
}

async function serveAndCall(program, cwd, redisUrl) {
  const { output } = await run([process.execPath, program], { cwd, env: { REDIS_URL: redisUrl } });
  if (!output.includes('the sum is 6')) throw new Error(output);
}

/** In a folder without any package: all that is needed is in the bundle. */
async function bundle(bin, app, format, redisUrl) {
  const target = path.join(app, '..', `bundled-${format}`);
  const file = path.join(target, format === 'esm' ? 'main.mjs' : 'main.cjs');
  const config = [
    '--bundle',
    '--minify',
    '--platform=node',
    '--target=node20',
    `--format=${format}`,
  ];
  const missing = await optionalPeers(app);
  const external = missing.map((name) => `--external:${name}`);
  // What a CommonJS package in an ES module needs.
  const require = `import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);`;
  const banner = format === 'esm' ? [`--banner:js=${require}`] : [];
  const command = [bin('esbuild'), 'out/main.js', ...config, ...external, ...banner];
  await run([...command, `--outfile=${file}`], { cwd: app });
  await writeFile(path.join(target, 'package.json'), '{}');
  await serveAndCall(file, target, redisUrl);
}

/** The peers of Nest that are optional; applications that bundle leave them out. */
async function optionalPeers(app) {
  const names = new Set(['@nestjs/websockets', '@nestjs/platform-express', 'class-validator']);
  for (const name of NEST_PACKAGES) {
    const file = path.join(app, 'node_modules', name, 'package.json');
    const { peerDependenciesMeta = {} } = JSON.parse(await readFile(file, 'utf8'));
    for (const [peer, { optional }] of Object.entries(peerDependenciesMeta)) {
      if (optional && !NEEDED.includes(peer)) names.add(peer);
    }
  }
  return [...names].flatMap((name) => [name, `${name}/*`]);
}
