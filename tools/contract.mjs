/**
 * `npm run contract`: what Nest promises its users holds with this package as it would be published, in fresh
 * applications with each supported Nest; and the package is fit to be published. `--only 11` for one of them,
 * `--only packaging` for the last; `--here` for the package as it is built, with the Nest that is installed.
 */
import { inTemporaryFolder, pack, runVersion, VERSIONS } from './contract/apps.mjs';
import { checkPackage } from './contract/packaging.mjs';
import { runHere } from './contract/suite.mjs';
import { acquireRedis } from './redis.mjs';

const PACKAGING = 'packaging';

/** @typedef {import('./contract/suite.mjs').Counts} Counts */

async function main() {
  const args = process.argv.slice(2);
  if (args.includes('--here')) return tell('Here', runHere);
  const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : undefined;
  const known = [...VERSIONS.map(({ name }) => name), PACKAGING];
  if (only !== undefined && !known.includes(only)) {
    throw new Error(`--only takes one of: ${known.join(', ')}`);
  }
  const redis = await acquireRedis({ log: (line) => console.error(line) });
  try {
    await inTemporaryFolder((folder) => runAll(folder, redis.url, only));
  } finally {
    await redis.stop();
  }
}

async function runAll(folder, redisUrl, only) {
  const packed = await pack(folder);
  for (const version of VERSIONS) {
    if (only !== undefined && only !== version.name) continue;
    const title = `Nest ${version.name} (${version.type})`;
    await tell(title, () => runVersion(version, packed.tarball, folder, redisUrl));
  }
  if (only === undefined || only === PACKAGING) {
    await tell('Packaging', () => checkPackage(packed, folder, redisUrl));
  }
}

/**
 * @param {string} title
 * @param {() => Promise<Counts>} act
 */
async function tell(title, act) {
  console.log(`\n=== ${title} ===`);
  const { passed, failed, skipped } = await act().catch((error) => {
    console.error(error.message);
    return { passed: 0, failed: 1 };
  });
  const notChecked = skipped ? `, ${skipped} not checked` : '';
  console.log(`${passed} passed, ${failed} failed${notChecked}`);
  if (failed > 0) process.exitCode = 1;
}

await main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
