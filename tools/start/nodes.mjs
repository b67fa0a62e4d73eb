import { setTimeout as delay } from 'node:timers/promises';
import { Keys } from '../../dist/protocol/keys.js';
import { incarnationOfMember, nodeIdOf } from '../../dist/protocol/ids.js';
import { withRedis } from '../redis/resp.mjs';
import { SERVICE } from './sample.mjs';

const ANSWER_MS = 2_000;
const POLL_MS = 50;
const START_MS = 30_000;

/**
 * @typedef {object} NodeInfo
 * @property {string} id
 * @property {number} score
 * @property {number} pid
 * @property {number} running
 * @property {number} handled
 */

/**
 * The nodes that serve, by the pid of their process.
 *
 * @param {import('../redis.mjs').Redis} redis
 * @returns {Promise<Map<number, NodeInfo>>}
 */
export function readNodes({ url, prefix }) {
  const keys = new Keys(prefix);
  return withRedis(url, ANSWER_MS, async (command) => {
    const nodes = new Map();
    const flat = await command('ZRANGE', keys.service(SERVICE), '0', '-1', 'WITHSCORES');
    for (let i = 0; i < flat.length; i += 2) {
      const id = nodeIdOf(incarnationOfMember(String(flat[i])));
      const entry = await command('GET', keys.node(id));
      // A dead node is in the set until somebody finds out; its entry is gone by then.
      if (entry === null) continue;
      const { pid, running, handled } = JSON.parse(String(entry));
      nodes.set(pid, { id, score: Math.floor(Number(flat[i + 1])), pid, running, handled });
    }
    return nodes;
  });
}

/**
 * Waits until these processes serve.
 *
 * @param {import('../redis.mjs').Redis} redis
 * @param {import('./child.mjs').Child[]} workers
 * @param {AbortSignal} signal
 */
export async function untilServing(redis, workers, signal) {
  const end = Date.now() + START_MS;
  while (Date.now() < end) {
    for (const worker of workers) worker.assertRunning();
    const nodes = await readNodes(redis);
    if (workers.every(({ pid }) => nodes.has(pid))) return nodes;
    await delay(POLL_MS, undefined, { signal });
  }
  throw new Error(`The workers do not serve after ${START_MS / 1000} s.`);
}
