import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { firstThatWorks } from './redis/attempts.mjs';
import { binaryFromPath, fetchBinary } from './redis/binary.mjs';
import { startServer } from './redis/private.mjs';
import { deletePrefix, probeLocal, probeNamed, withoutSecrets } from './redis/shared.mjs';

const CACHE_DIR = fileURLToPath(new URL('../.cache/redis', import.meta.url));

const HOW_TO_GET_ONE = `Either install one (nothing needs to be configured):
  Debian, Ubuntu: sudo apt-get install redis-server
  macOS:          brew install redis
or set REDIS_URL to one that runs, such as redis://user:password@host:6379.`;

/**
 * @typedef {import('./redis/private.mjs').PrivateRedis} PrivateRedis
 * @typedef {'env' | 'local' | 'path' | 'fetched'} Source
 *
 * @typedef {object} Redis
 * @property {string} url
 * @property {Source} source
 * @property {boolean} shared others may use it too: keep to `prefix`
 * @property {string} prefix for all keys and channels, unique
 * @property {PrivateRedis} [server] the process, when it is a private one
 * @property {() => Promise<void>} stop ends a private server; removes the keys under `prefix` of a shared one
 *
 * @typedef {object} AcquireOptions
 * @property {(line: string) => void} [log]
 * @property {string} [cacheDir] where fetched servers are kept
 * @property {NodeJS.ProcessEnv} [env]
 * @property {Source[]} [skip] ways not to try
 * @property {number} [localPort] where to look for one that already runs on this machine
 */

/**
 * Finds a Redis to use: the one of REDIS_URL, else one that runs here, else a private one.
 *
 * @param {AcquireOptions} [options]
 * @returns {Promise<Redis>}
 */
export async function acquireRedis({
  log = () => {},
  cacheDir = CACHE_DIR,
  env = process.env,
  skip = [],
  localPort = 6379,
} = {}) {
  const prefix = `nestjs-clouds-${randomBytes(6).toString('hex')}:`;
  if (env.REDIS_URL && !skip.includes('env')) {
    await probeNamed(env.REDIS_URL);
    return sharedRedis('env', env.REDIS_URL, prefix);
  }
  const url = `redis://127.0.0.1:${localPort}`;
  const ways = {
    local: () => probeLocal(url).then(() => sharedRedis('local', url, prefix)),
    path: async () => privateRedis('path', await binaryFromPath(env), prefix),
    fetched: async () => privateRedis('fetched', await fetchBinary({ env, cacheDir, log }), prefix),
  };
  return firstOf(ways, skip, log);
}

/**
 * A server nobody else uses, to be killed, paused or reconfigured. With `port` it takes that one, so
 * that a killed server can come back where it was.
 *
 * @param {{ args?: string[], port?: number, binary?: string } & AcquireOptions} [options]
 * @returns {Promise<PrivateRedis>}
 */
export async function startPrivateRedis({
  args = [],
  port,
  binary,
  log = () => {},
  cacheDir = CACHE_DIR,
  env = process.env,
  skip = [],
} = {}) {
  if (binary) return startServer(binary, args, port);
  const ways = {
    path: () => binaryFromPath(env),
    fetched: () => fetchBinary({ env, cacheDir, log }),
  };
  return startServer(await firstOf(ways, skip, log), args, port);
}

/**
 * @template T
 * @param {Record<string, () => Promise<T>>} ways
 * @param {string[]} skip
 * @param {(line: string) => void} log
 * @returns {Promise<T>}
 */
async function firstOf(ways, skip, log) {
  const attempts = Object.entries(ways).filter(([name]) => !skip.includes(name));
  return firstThatWorks(attempts, log).catch((error) => {
    const skipped = skip.map((name) => `${name}: not tried, as it was asked to skip it`);
    const tried = [error.message, ...skipped].filter(Boolean).join('\n');
    throw new Error(
      `No Redis 7.0+ or Valkey 7.2+ to use. What was tried:\n${tried}\n\n${HOW_TO_GET_ONE}`,
    );
  });
}

/**
 * @param {Source} source
 * @param {string} url
 * @param {string} prefix
 * @returns {Redis}
 */
function sharedRedis(source, url, prefix) {
  /** @type {Promise<void> | undefined} */
  let stopping;
  const stop = () => (stopping ??= deletePrefix(url, prefix));
  return { url, source, shared: true, prefix, stop };
}

/**
 * @param {Source} source
 * @param {string} binary
 * @param {string} prefix
 * @returns {Promise<Redis>}
 */
async function privateRedis(source, binary, prefix) {
  const server = await startServer(binary, []);
  return { url: server.url, source, shared: false, prefix, server, stop: () => server.stop() };
}

/** Lends a Redis to a terminal: until Ctrl-C, or until the server ends by itself. */
async function main() {
  const redis = await acquireRedis({ log: (line) => console.error(line) });
  const keepAlive = setInterval(() => {}, 2 ** 30);
  const signals = ['SIGINT', 'SIGTERM'].map((signal) => once(process, signal));
  console.log(`${withoutSecrets(redis.url)} (${redis.source}). Ctrl-C ends it.`);
  const crashed = redis.server?.exited.then(() => 'crashed');
  const ending = await Promise.race(crashed ? [crashed, ...signals] : signals);
  clearInterval(keepAlive);
  await redis.stop();
  if (ending === 'crashed') throw new Error('The server has ended by itself.');
}

const isMain = process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);
if (isMain) {
  await main().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
