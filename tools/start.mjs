/**
 * `npm start`: installs and builds what is missing, finds a Redis, and runs a sample of sample/.
 * Only builtins are imported up here: on a fresh clone there is no node_modules yet.
 */
import { parseArgs } from 'node:util';
import { acquireRedis } from './redis.mjs';
import { withoutSecrets } from './redis/shared.mjs';
import { buildWhenOutdated, installWhenOutdated } from './start/build.mjs';
import { findSample, QUICK_START } from './start/samples.mjs';
import { USAGE } from './start/usage.mjs';

const INTERRUPTED = 130;

/** @param {string[]} argv */
async function main(argv) {
  const options = readArguments(argv);
  if (options.help) return void console.log(USAGE);

  const ending = endOnSignal();
  await installWhenOutdated(ending);
  await buildWhenOutdated(['dist', 'sample'], ending);
  // After the install, as samples need what it brings.
  const run = await options.sample.load(options);

  const redis = await acquireRedis({ log: (line) => console.error(line) });
  try {
    console.log(`Redis: ${withoutSecrets(redis.url)} (${redis.source}), prefix ${redis.prefix}`);
    ending.throwIfAborted();
    process.exitCode = await run(redis, ending);
  } finally {
    await redis.stop();
  }
}

/** @param {string[]} argv */
function readArguments(argv) {
  const options = /** @type {const} */ ({ once: { type: 'boolean' }, help: { type: 'boolean' } });
  try {
    const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
    return { ...values, sample: chooseSample(positionals, values.once) };
  } catch (error) {
    const [what] = /** @type {Error} */ (error).message.split('. ', 1);
    throw new Error(`${what}. \`npm start -- --help\` shows what there is.`, { cause: error });
  }
}

/**
 * @param {string[]} names
 * @param {boolean} [once]
 */
function chooseSample([name = QUICK_START, ...more], once) {
  if (more.length) throw new Error('One sample runs at a time');
  const sample = findSample(name);
  if (!sample) throw new Error(`There is no sample '${name}'`);
  if (once && sample.name !== QUICK_START) throw new Error(`--once is only for ${QUICK_START}`);
  return sample;
}

/** The first signal ends everything in order. A second one does not wait: the children end by themselves. */
function endOnSignal() {
  const ending = new AbortController();
  const end = () => (ending.signal.aborted ? process.exit(INTERRUPTED) : ending.abort());
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, end);
  // Whoever read the output is gone, as in `npm start | head`.
  process.stdout.on('error', () => ending.abort());
  return ending.signal;
}

await main(process.argv.slice(2)).catch((error) => {
  if (error.name === 'AbortError') {
    process.exitCode = INTERRUPTED;
  } else {
    console.error(error.message);
    process.exitCode = 1;
  }
});
