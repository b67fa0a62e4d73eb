/**
 * `npm start`: installs and builds what is missing, finds a Redis, and runs the quick start of
 * sample/. Only builtins are imported up here: on a fresh clone there is no node_modules yet.
 */
import { parseArgs } from 'node:util';
import { acquireRedis } from './redis.mjs';
import { withoutSecrets } from './redis/shared.mjs';
import { buildWhenOutdated, installWhenOutdated } from './start/build.mjs';

const USAGE = `Usage: npm start [-- option]

Runs the sample of the quick start: three workers and an HTTP gateway, and shows how the calls are
spread until Ctrl-C. What is missing is installed and built first.

Options:
  --once   run 10,000 calls over the three workers, kill one of them half way, report and end;
           the exit code is 0 only if every call was answered
  --help   show this

Environment:
  REDIS_URL   the Redis to use, such as redis://127.0.0.1:6379. Default: one that runs on port 6379,
              else a private one
  PORT        the port of the gateway. Default: 3000 if that is free, else any free port`;

const INTERRUPTED = 130;

/** @param {string[]} argv */
async function main(argv) {
  const options = readArguments(argv);
  if (options.help) return void console.log(USAGE);

  const ending = endOnSignal();
  await installWhenOutdated(ending);
  await buildWhenOutdated(['dist', 'sample'], ending);
  // After the install, as they need what it brings.
  const run = options.once
    ? (await import('./start/once.mjs')).runOnce
    : (await import('./start/serve.mjs')).serve;

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
  try {
    const options = /** @type {const} */ ({ once: { type: 'boolean' }, help: { type: 'boolean' } });
    return parseArgs({ args: argv, options }).values;
  } catch (error) {
    const [what] = /** @type {Error} */ (error).message.split('. ', 1);
    throw new Error(`${what}. \`npm start -- --help\` shows what there is.`, { cause: error });
  }
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
