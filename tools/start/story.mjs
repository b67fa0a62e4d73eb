import { setTimeout as delay } from 'node:timers/promises';
import { Cast } from './cast.mjs';

const LIMIT_MS = 60_000;
const PATIENCE_MS = 5_000;
const POLL_MS = 20;

/**
 * @typedef {import('./cast.mjs').Line} Line
 * @typedef {import('./samples.mjs').Run} Run
 *
 * @typedef {object} Story
 * @property {string} folder of the sample
 * @property {Record<string, string>} servers scripts, by the names of their processes
 * @property {[name: string, script: string]} teller makes the calls when all servers are ready, and ends by itself
 * @property {(lines: Line[]) => Record<string, boolean>} promises sentences, and whether they have come true
 * @property {(lines: Line[]) => string[]} [summary] is shown at the end, in place of what the processes print
 */

/**
 * Runs the processes of each story, shows what they print, and holds it against what is promised.
 *
 * @param {...Story} stories
 * @returns {Run}
 */
export function runOf(...stories) {
  return async (redis, ending) => {
    const late = AbortSignal.timeout(LIMIT_MS);
    const signal = AbortSignal.any([ending, late]);
    try {
      const broken = [];
      for (const story of stories) broken.push(...(await play(story, redis, signal)));
      return conclude(broken);
    } catch (error) {
      if (!late.aborted) throw error;
      throw new Error(`The sample is not over after ${LIMIT_MS / 1000} s.`, { cause: error });
    }
  };
}

/**
 * @param {string[]} broken promises
 * @returns {number} the exit code
 */
function conclude(broken) {
  for (const sentence of broken) console.error(`Not as promised: ${sentence}.`);
  if (broken.length === 0) console.log('\nAll as promised.');
  return broken.length === 0 ? 0 : 1;
}

/**
 * @param {Story} story
 * @param {import('../redis.mjs').Redis} redis
 * @param {AbortSignal} signal
 * @returns {Promise<string[]>} the promises that were broken
 */
async function play(story, redis, signal) {
  const cast = new Cast(story.folder, redis, { isQuiet: story.summary !== undefined });
  const broken = () => brokenOf(story.promises(cast.lines));
  try {
    await tell(story, cast, signal);
    await untilFulfilled(broken, signal);
  } finally {
    await cast.stop();
  }
  for (const line of story.summary?.(cast.lines) ?? []) console.log(line);
  // Once more: now all is there that the processes have printed, and nothing comes after it.
  return broken();
}

/**
 * @param {Story} story
 * @param {Cast} cast
 * @param {AbortSignal} signal
 */
async function tell({ servers, teller: [name, script] }, cast, signal) {
  await cast.startServers(servers, signal);
  const teller = cast.start(name, script);
  const how = await unlessAborted(teller.ended, signal);
  if (how !== 'code 0') teller.assertRunning();
}

/**
 * What the processes do last, they do when the teller has ended.
 *
 * @param {() => string[]} broken
 * @param {AbortSignal} signal
 */
async function untilFulfilled(broken, signal) {
  const end = performance.now() + PATIENCE_MS;
  while (broken().length > 0 && performance.now() < end) {
    await delay(POLL_MS, undefined, { signal });
  }
}

/** @param {Record<string, boolean>} promises */
function brokenOf(promises) {
  return Object.keys(promises).filter((sentence) => !promises[sentence]);
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    promise.then(resolve, reject);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}
