import { setTimeout as delay } from 'node:timers/promises';
import { startWorker, WORKERS } from './sample.mjs';

const RESTART_MS = 500;

/** The workers, by number. States: starting; kept running, from `keepRunning` on; stopped. */
export class Workers {
  #isStopped = false;

  /** @param {import('../redis.mjs').Redis} redis */
  constructor(redis) {
    this.redis = redis;
    this.children = Array.from({ length: WORKERS }, (_, index) => startWorker(index + 1, redis));
  }

  /** @param {(line: string) => void} log is told of every worker that dies */
  keepRunning(log) {
    for (const index of this.children.keys()) void this.#keepOneRunning(index, log);
  }

  /** Lets them finish what they run. */
  async stop() {
    this.#isStopped = true;
    await Promise.all(this.children.map((child) => child.stop()));
  }

  /**
   * @param {number} index
   * @param {(line: string) => void} log
   */
  async #keepOneRunning(index, log) {
    for (;;) {
      const { name, pid, ended } = this.children[index];
      const how = await ended;
      if (this.#isStopped) return;
      log(`${name} (pid ${pid}) has died: ${how}. Another one takes its place.`);
      await delay(RESTART_MS);
      if (this.#isStopped) return;
      this.children[index] = startWorker(index + 1, this.redis);
    }
  }
}
