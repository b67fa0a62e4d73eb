import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from './build.mjs';

const STOP_MS = 12_000;
const TAIL_LINES = 20;
const TIED = new URL('tied.mjs', import.meta.url).href;

/** A Node process of the sample. It ends when this process does. */
export class Child {
  /** @type {string[]} */
  #tail = [];
  /** @type {import('node:child_process').ChildProcess} */
  #process;

  /**
   * In a process group of its own: Ctrl-C reaches only the starter, which ends its children in order.
   *
   * @param {string} name
   * @param {string} script
   * @param {NodeJS.ProcessEnv} env
   */
  constructor(name, script, env) {
    this.name = name;
    this.#process = spawn(process.execPath, ['--import', TIED, path.join(ROOT, script)], {
      cwd: ROOT,
      env: { ...process.env, ...env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    /** @type {Promise<string>} how it ended */
    this.ended = once(this.#process, 'close').then(([code, signal]) => signal ?? `code ${code}`);
    this.onLine((line) => {
      this.#tail = [...this.#tail, line].slice(-TAIL_LINES);
    });
  }

  get pid() {
    return this.#process.pid ?? 0;
  }

  get isRunning() {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** @param {(line: string) => void} listener of all that the child prints */
  onLine(listener) {
    for (const input of [this.#process.stdout, this.#process.stderr]) {
      if (input) createInterface({ input }).on('line', listener);
    }
  }

  /** @param {(message: any) => void} listener */
  onMessage(listener) {
    this.#process.on('message', listener);
  }

  /** @param {any} message is lost if the child has ended, which `whileRunning` tells */
  send(message) {
    this.#process.send(message, () => {});
  }

  /** @throws Error with the end of its output, if it has ended. */
  assertRunning() {
    if (this.isRunning) return;
    const how = this.#process.signalCode ?? `code ${this.#process.exitCode}`;
    throw new Error(
      [`${this.name} has ended too early (${how}). Its output:`, ...this.#tail].join('\n'),
    );
  }

  /**
   * The outcome of `promise`, unless the child ends before.
   *
   * @template T
   * @param {Promise<T>} promise
   * @returns {Promise<T>}
   */
  whileRunning(promise) {
    return Promise.race([promise, this.ended.then(() => this.assertRunning())]);
  }

  /** Lets it finish what it does, within limits. */
  async stop() {
    if (!this.isRunning) return;
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS);
    await this.ended;
    clearTimeout(timer);
  }
}
