import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, inject } from 'vitest';
import { randomId } from '../../lib/protocol/ids.js';
import type { Order, Reply } from '../e2e/apps/support/orders.js';
import { until } from './wait.js';

const ROOT = join(import.meta.dirname, '../..');
/** Ends a child whose parent is gone. */
const TIED = join(ROOT, 'tools/start/tied.mjs');
const START_MS = 20_000;
const END_MS = 15_000;

/** How a process ended: its exit code, or the signal. */
export type Ending = number | NodeJS.Signals;

/** An application of test/e2e/apps in a process of its own. */
export class App {
  readonly ended: Promise<Ending>;
  readonly #process: ChildProcess;
  readonly #replies = new Map<number, (reply: Reply) => void>();
  #orders = 0;
  #output = '';
  #markReady!: () => void;
  readonly #ready = new Promise<void>((resolve) => (this.#markReady = resolve));

  constructor(
    readonly name: string,
    env: NodeJS.ProcessEnv,
  ) {
    this.#process = fork(join(ROOT, '.build/e2e', `${name}.js`), {
      env: { ...process.env, NO_COLOR: '1', ...env },
      execArgv: ['--import', TIED],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#process.stdout!.on('data', (chunk) => (this.#output += String(chunk)));
    this.#process.stderr!.on('data', (chunk) => (this.#output += String(chunk)));
    this.#process.on('message', (reply: Reply | 'ready') => {
      if (reply === 'ready') this.#markReady();
      else this.#replies.get(reply.number)?.(reply);
    });
    this.ended = once(this.#process, 'close').then(([code, signal]) => (signal ?? code) as Ending);
  }

  get pid(): number {
    return this.#process.pid!;
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** What the process has printed so far. */
  get output(): string {
    return this.#output;
  }

  async ready(): Promise<this> {
    await this.#whileRunning(this.#ready, START_MS, 'be ready');
    return this;
  }

  /** Has the app do one of the things that it offers, and resolves to the result. */
  async ask<T = unknown>(name: string, ...args: unknown[]): Promise<T> {
    const number = ++this.#orders;
    const reply = new Promise<Reply>((resolve) => this.#replies.set(number, resolve));
    const order: Order = { number, name, args };
    this.#process.send(order);
    const { result, error } = await this.#whileRunning(reply, START_MS, `do "${name}"`);
    this.#replies.delete(number);
    if (error !== undefined) throw new Error(`${this.name} cannot do "${name}": ${error}`);
    return result as T;
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Has the app close itself; then nothing may keep its process alive. */
  async end(): Promise<Ending> {
    if (!this.isRunning) return this.ended;
    await this.ask('close');
    await this.ask('release');
    return this.#whileRunning(this.ended, END_MS, 'exit by itself');
  }

  async #whileRunning<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#failure(`did not ${what} in time`)), limitMs);
    });
    const gone = this.ended.then((how) => Promise.reject(this.#failure(`has ended with ${how}`)));
    try {
      return await Promise.race([promise, late, gone]);
    } finally {
      clearTimeout(timer);
    }
  }

  #failure(what: string): Error {
    return new Error(`${this.name} ${what}. Its output:\n${this.#output}`);
  }
}

/** The apps of one test file, under a prefix of their own. */
export class Apps {
  readonly prefix = `e2e-${randomId()}:`;
  readonly url = inject('redisUrl');
  readonly redis = new Redis(this.url, { lazyConnect: true });
  readonly #apps: App[] = [];

  /** Starts test/e2e/apps/`name`.ts and waits until it is ready. */
  start(name: string, env: NodeJS.ProcessEnv = {}): Promise<App> {
    const app = new App(name, { REDIS_URL: this.url, CLOUDS_PREFIX: this.prefix, ...env });
    this.#apps.push(app);
    return app.ready();
  }

  /** Cuts the connections of all apps of the file, on the server. */
  async cutConnections(): Promise<void> {
    for (const id of await this.#connections()) await this.redis.client('KILL', 'ID', id);
  }

  /** The members of a service. */
  members(service: string): Promise<string[]> {
    return this.redis.zrange(`${this.prefix}S:${service}`, '0', '-1');
  }

  /** All keys, but for the table of who takes events, which is there for a restart and has a TTL. */
  async keysLeft(): Promise<string[]> {
    const keys = await this.redis.keys(`${this.prefix}*`);
    return keys.filter((key) => key !== `${this.prefix}E`);
  }

  async end(): Promise<void> {
    const running = this.#apps.filter(({ isRunning }) => isRunning);
    const endings = await Promise.allSettled(running.map((app) => app.end()));
    for (const app of this.#apps) app.kill('SIGKILL');
    for (const ending of endings) {
      if (ending.status === 'rejected') throw ending.reason;
      expect(ending.value, 'exit code of an app that was closed').toBe(0);
    }
  }

  async expectNothingLeft(): Promise<void> {
    await until('no connection is left', async () => (await this.#connections()).length === 0);
    const keys = await this.redis.keys(`${this.prefix}*`);
    const lasting: string[] = [];
    // A process that was killed leaves keys that expire by themselves; nothing else is left.
    for (const key of keys) if ((await this.redis.pttl(key)) === -1) lasting.push(key);
    if (keys.length > 0) await this.redis.unlink(...keys);
    expect(lasting, 'keys left behind').toEqual([]);
  }

  async #connections(): Promise<string[]> {
    const clients = (await this.redis.client('LIST')) as string;
    const own = clients.split('\n').filter((line) => line.includes(` name=${this.prefix} `));
    return own.map((line) => /id=(\d+)/.exec(line)![1]!);
  }
}

/** Ends all apps after the tests of the file, and fails if anything of them is left. */
export function useApps(): Apps {
  const apps = new Apps();
  beforeAll(() => apps.redis.connect());
  afterAll(async () => {
    try {
      await apps.end();
      await apps.expectNothingLeft();
    } finally {
      apps.redis.disconnect();
    }
  });
  return apps;
}
