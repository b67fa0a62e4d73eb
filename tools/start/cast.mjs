import { Child } from './child.mjs';

const NAME_WIDTH = 11;

/**
 * @typedef {object} Line
 * @property {string} by name of the process that has printed it
 * @property {string} text
 */

/** The processes of a sample, and what they have printed. */
export class Cast {
  /** @type {Child[]} */
  #children = [];
  /** @type {Line[]} */
  lines = [];

  /**
   * @param {string} folder of the sample
   * @param {import('../redis.mjs').Redis} redis
   * @param {{ isQuiet?: boolean }} [options] `isQuiet`: their lines are kept, but not shown
   */
  constructor(folder, { url, prefix }, { isQuiet = false } = {}) {
    this.folder = `.build/sample/${folder}`;
    this.env = { REDIS_URL: url, CLOUDS_PREFIX: prefix, NO_COLOR: '1' };
    this.isQuiet = isQuiet;
  }

  /**
   * @param {string} name
   * @param {string} script in the folder of the sample
   */
  start(name, script) {
    const child = new Child(name, `${this.folder}/${script}`, this.env);
    this.#children.push(child);
    child.onLine((text) => {
      this.lines.push({ by: name, text });
      if (!this.isQuiet) console.log(`${name.padEnd(NAME_WIDTH)} ${text}`);
    });
    return child;
  }

  /**
   * Starts processes that serve, and waits until all have sent their parent "ready".
   *
   * @param {Record<string, string>} scripts by the names of the processes
   * @param {AbortSignal} signal
   */
  async startServers(scripts, signal) {
    const children = Object.entries(scripts).map(([name, script]) => this.start(name, script));
    await Promise.all(children.map((child) => child.whileRunning(ready(child, signal))));
  }

  async stop() {
    await Promise.all(this.#children.map((child) => child.stop()));
  }
}

/**
 * @param {Child} child
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function ready(child, signal) {
  return new Promise((resolve, reject) => {
    child.onMessage((message) => message === 'ready' && resolve());
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}
