import { Child } from './child.mjs';

/** @typedef {import('../redis.mjs').Redis} Redis */

export const WORKERS = 3;
/** What the workers serve. */
export const SERVICE = 'sum';

const FOLDER = '.build/sample/01-quick-start';

/** @param {Redis} redis */
const sharedEnv = ({ url, prefix }) => ({ REDIS_URL: url, CLOUDS_PREFIX: prefix, NO_COLOR: '1' });

/**
 * @param {number} number
 * @param {Redis} redis
 */
export function startWorker(number, redis) {
  return new Child(`worker ${number}`, `${FOLDER}/worker/main.js`, sharedEnv(redis));
}

/**
 * @param {Redis} redis
 * @param {number} port
 */
export function startGateway(redis, port) {
  const env = { ...sharedEnv(redis), PORT: String(port) };
  return new Child('the gateway', `${FOLDER}/gateway/main.js`, env);
}

/** @param {Redis} redis */
export function startLoad(redis) {
  return new Child('the gateway', 'tools/start/load.mjs', sharedEnv(redis));
}
