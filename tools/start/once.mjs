import { startLoad, startWorker, WORKERS } from './sample.mjs';
import { untilServing } from './nodes.mjs';

const CALLS = 10_000;
const CONCURRENCY = 64;
const VICTIM = 0;
const LABEL_WIDTH = 10;

/**
 * Calls over three workers, one of which is killed half way.
 *
 * @param {import('../redis.mjs').Redis} redis
 * @param {AbortSignal} ending
 * @returns {Promise<number>} the exit code
 */
export async function runOnce(redis, ending) {
  const workers = Array.from({ length: WORKERS }, (_, index) => startWorker(index + 1, redis));
  const load = startLoad(redis);
  try {
    await load.whileRunning(message(load, ending));
    const nodes = await untilServing(redis, workers, ending);
    const names = new Map(workers.map(({ name, pid }) => [nodes.get(pid).id, name]));
    load.send({ calls: CALLS, concurrency: CONCURRENCY, victim: workers[VICTIM].pid });
    const report = await load.whileRunning(message(load, ending));
    printReport(report, names, workers[VICTIM].name);
    return report.answered === CALLS ? 0 : 1;
  } finally {
    await load.stop();
    await Promise.all(workers.map((worker) => worker.stop()));
  }
}

/**
 * @param {import('./child.mjs').Child} child
 * @param {AbortSignal} signal
 * @returns {Promise<any>}
 */
function message(child, signal) {
  return new Promise((resolve, reject) => {
    child.onMessage(resolve);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

/**
 * @param {any} report
 * @param {Map<string, string>} names of nodes, by id
 * @param {string} victim
 */
function printReport({ answered, moved, byNode, failures, timesMs }, names, victim) {
  const print = (label, value) => console.log(`${label.padEnd(LABEL_WIDTH)} ${value}`);
  print('calls', CALLS);
  print('answered', answered);
  print('lost', CALLS - answered);
  print('moved', moved);
  for (const [id, name] of names) {
    print(name, `${byNode[id] ?? 0}${name === victim ? ' until it was killed' : ''}`);
  }
  timesMs.sort((a, b) => a - b);
  print('p50', `${percentile(timesMs, 0.5)} ms`);
  print('p99', `${percentile(timesMs, 0.99)} ms`);
  for (const [reason, count] of Object.entries(failures)) console.error(`${count} x ${reason}`);
}

/**
 * @param {number[]} sorted
 * @param {number} share
 */
function percentile(sorted, share) {
  const value = sorted[Math.ceil(sorted.length * share) - 1];
  return value === undefined ? '-' : value.toFixed(1);
}
