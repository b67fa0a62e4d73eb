import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { readNodes, untilServing } from './nodes.mjs';
import { startGateway } from './sample.mjs';
import { screenOn } from './screen.mjs';
import { nodeTable } from './table.mjs';
import { Workers } from './workers.mjs';

const DEFAULT_PORT = 3000;
const HOST = '127.0.0.1';

/**
 * Runs workers and gateway, and shows the nodes, until `ending`.
 *
 * @param {import('../redis.mjs').Redis} redis
 * @param {AbortSignal} ending
 * @returns {Promise<number>} the exit code
 */
export async function serve(redis, ending) {
  const screen = screenOn(process.stdout);
  const port = await choosePort(process.env.PORT);
  const workers = new Workers(redis);
  const gateway = startGateway(redis, port);
  const failing = new AbortController();
  try {
    const url = await gateway.whileRunning(urlOf(gateway, ending));
    await untilServing(redis, workers.children, ending);
    screen.log(`\nThe gateway is at ${url}. Ctrl-C ends it. To try it:`);
    screen.log(`\n  curl '${url}/sum?numbers=1,2,3'\n`);
    workers.keepRunning(screen.log);
    const showing = showNodes(redis, workers, screen, AbortSignal.any([ending, failing.signal]));
    await gateway.whileRunning(whileRedisRuns(redis, showing));
  } catch (error) {
    if (!ending.aborted) throw error;
  } finally {
    failing.abort();
    screen.log('Stopping ...');
    await gateway.stop();
    await workers.stop();
  }
  return 0;
}

/**
 * @param {string | undefined} wanted
 * @returns {Promise<number>} 0 for any free one
 */
async function choosePort(wanted) {
  if (!wanted) return (await isFree(DEFAULT_PORT)) ? DEFAULT_PORT : 0;
  const port = Number(wanted);
  if (!/^\d+$/.test(wanted) || port > 65_535) {
    throw new Error(`PORT is "${wanted}". Set it to a number from 0 to 65535, or unset it.`);
  }
  if (port === 0 || (await isFree(port))) return port;
  throw new Error(`Port ${port} of PORT is taken. Choose another one, or unset PORT.`);
}

/** @param {number} port */
async function isFree(port) {
  const server = net.createServer().listen(port, HOST);
  try {
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/**
 * @param {import('./child.mjs').Child} gateway
 * @param {AbortSignal} signal
 * @returns {Promise<string>}
 */
function urlOf(gateway, signal) {
  return new Promise((resolve, reject) => {
    gateway.onLine((line) => {
      const [, url] = line.match(/(http:\S+)\/sum/) ?? [];
      if (url) resolve(url);
    });
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

/**
 * A private Redis that has ended does not come back, as a shared one may.
 *
 * @template T
 * @param {import('../redis.mjs').Redis} redis
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
function whileRedisRuns({ server }, promise) {
  const failure = server?.exited.then(() => {
    throw new Error('The private Redis has ended.');
  });
  return failure ? Promise.race([promise, failure]) : promise;
}

/**
 * Ends only with `signal`, by its error.
 *
 * @param {import('../redis.mjs').Redis} redis
 * @param {Workers} workers
 * @param {import('./screen.mjs').Screen} screen
 * @param {AbortSignal} signal
 */
async function showNodes(redis, workers, screen, signal) {
  for (;;) {
    screen.draw(await describeNodes(redis, workers));
    await delay(screen.refreshMs, undefined, { signal });
  }
}

/** The workers outlive a Redis that is away for a while, and so does their table. */
async function describeNodes(redis, workers) {
  try {
    return nodeTable(workers.children, await readNodes(redis));
  } catch (error) {
    return [`Redis does not answer: ${error.message}`];
  }
}
