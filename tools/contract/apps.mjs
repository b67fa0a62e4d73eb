import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from './run.mjs';
import { ROOT, runSuite, TSC } from './suite.mjs';

/** @typedef {{ name: string, nest: string, type: 'module' | 'commonjs', lacksInstrument?: true }} Version */

/** @type {Version[]} */
export const VERSIONS = [
  { name: '12', nest: '12', type: 'module' },
  // Before 12.0.4 some hooks are not there.
  { name: '12.0.1', nest: '12.0.1', type: 'module' },
  { name: '11', nest: '11', type: 'commonjs' },
  // The oldest that is supported: the first with the processing hooks.
  { name: '11.1.4', nest: '11.1.4', type: 'commonjs', lacksInstrument: true },
];

/** What hangs on the option `instrument`, which came to Nest 11 later. */
const INSTRUMENT = { companion: '@nestjs/observe', test: 'src/apm.test.ts' };

/** What tests need beside the package and its peers, in the versions of this repository. */
const COMPANIONS = [
  '@nestjs/terminus',
  'nestjs-cls',
  INSTRUMENT.companion,
  '@types/node',
  'ioredis',
  'reflect-metadata',
  'rxjs',
];
const COMPILER_OPTIONS = {
  target: 'ES2022',
  lib: ['ES2024'],
  types: ['node'],
  module: 'nodenext',
  strict: true,
  skipLibCheck: false,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
};

/** A folder outside of the repository, so that nothing of it is found by accident; removed in the end. */
export async function inTemporaryFolder(act) {
  const folder = await mkdtemp(path.join(tmpdir(), 'nestjs-clouds-contract-'));
  try {
    return await act(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Packs the package as it would be published. */
export async function pack(folder) {
  const command = ['npm', 'pack', '--silent', '--json', '--pack-destination', folder];
  await run(['npm', 'run', '--silent', 'build'], { cwd: ROOT });
  const { output } = await run([...command, '--ignore-scripts'], { cwd: ROOT });
  const json = JSON.parse(output.slice(output.search(/[[{]/)));
  const [packed] = Object.values(json);
  return { ...packed, tarball: path.join(folder, packed.filename) };
}

/**
 * Installs the tarball with these packages into a new application.
 *
 * @param {string} folder
 * @param {{ type: 'module' | 'commonjs', packages: string[] }} app
 */
export async function makeApp(folder, { type, packages }) {
  await mkdir(folder, { recursive: true });
  const json = { name: 'app', version: '1.0.0', private: true, type };
  await writeFile(path.join(folder, 'package.json'), JSON.stringify(json));
  const flags = ['--no-audit', '--no-fund', '--loglevel=error'];
  await run(['npm', 'install', ...flags, ...packages], { cwd: folder });
}

/** Compiles what is in `src` of an application, with the declarations of everything it uses. */
export async function compile(folder, options = {}) {
  const compilerOptions = { ...COMPILER_OPTIONS, rootDir: 'src', outDir: 'out', ...options };
  const config = { compilerOptions, include: ['src'] };
  await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify(config));
  await run([process.execPath, TSC, '-p', '.'], { cwd: folder });
}

/** The suite in a fresh application with this Nest. */
export async function runVersion(version, tarball, parent, redisUrl) {
  const { name, nest, type, lacksInstrument } = version;
  const folder = path.join(parent, `nest-${name}`);
  const parts = ['common', 'core', 'microservices', 'platform-express'];
  const names = lacksInstrument
    ? COMPANIONS.filter((one) => one !== INSTRUMENT.companion)
    : COMPANIONS;
  const packages = [
    ...parts.map((part) => `@nestjs/${part}@${nest}`),
    ...(await companions(names)),
  ];
  await makeApp(folder, { type, packages: [tarball, ...packages] });
  await cp(path.join(ROOT, 'test/contract'), path.join(folder, 'src'), { recursive: true });
  await rm(path.join(folder, 'src/tsconfig.json'));
  if (lacksInstrument) await rm(path.join(folder, INSTRUMENT.test));
  await compile(folder);
  const counts = await runSuite(path.join(folder, 'out'), redisUrl);
  await rm(folder, { recursive: true, force: true });
  return counts;
}

/** @returns {Promise<string[]>} */
export async function companions(names = COMPANIONS) {
  const { devDependencies } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'));
  return names.map((name) => `${name}@${devDependencies[name]}`);
}
