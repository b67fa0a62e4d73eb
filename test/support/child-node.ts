import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { CloudsOptions } from '../../lib/common/options.js';
import { until } from './wait.js';

const PROGRAMS = new URL('../integration/programs/', import.meta.url);

/** What a program says over IPC. */
export type Said = Readonly<Record<string, unknown>>;

/** One run of a handler of the program `server.mjs`. */
export interface Run {
  readonly key: unknown;
  readonly id: string;
  readonly attempt: number;
}

/** A program of its own, from test/integration/programs. It ends with the test: see `TestCloud.child`. */
export class ChildProgram {
  readonly said: Said[] = [];
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly stderr: Promise<string>;
  readonly #process: ChildProcess;

  /** `prefix`: what the command line begins with, such as one that changes the network of the process. */
  constructor(program: string, argument: unknown, prefix: readonly string[] = []) {
    const file = fileURLToPath(new URL(program, PROGRAMS));
    const node = [
      process.execPath,
      '--unhandled-rejections=strict',
      file,
      JSON.stringify(argument),
    ];
    const [command, ...args] = [...prefix, ...node];
    this.#process = spawn(command!, args, { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
    this.#process.on('message', (message) => this.said.push(message as Said));
    this.stderr = text(this.#process.stderr!);
    this.ended = once(this.#process, 'exit').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
    }));
  }

  get pid(): number {
    return this.#process.pid!;
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  tell(message: Said): void {
    this.#process.send(message);
  }

  /** The first thing said that has this key; waits for it. */
  async heard<T = unknown>(key: string): Promise<T> {
    await until(`the program says "${key}"`, async () => {
      if (this.#find(key)) return true;
      if (!this.isRunning) throw new Error(`it ended first: ${await this.stderr}`);
      return false;
    });
    return this.#find(key)![key] as T;
  }

  #find(key: string): Said | undefined {
    return this.said.find((message) => key in message);
  }

  pause(): void {
    this.#process.kill('SIGSTOP');
  }

  resume(): void {
    this.#process.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    if (this.isRunning) this.#process.kill('SIGKILL');
    await this.ended;
  }
}

/** A node in a process of its own, that can be killed or frozen. Serves as the message of a call asks. */
export class ChildNode extends ChildProgram {
  id = '';

  static async start(
    options: CloudsOptions,
    services = ['work'],
    prefix?: readonly string[],
  ): Promise<ChildNode> {
    const node = new ChildNode('server.mjs', { options, services }, prefix);
    node.id = await node.heard<string>('ready');
    return node;
  }

  get runs(): Run[] {
    return this.said.filter((message) => 'run' in message).map(({ run }) => run as Run);
  }

  /** Leaves its services, finishes, and exits by itself. */
  async close(): Promise<void> {
    this.tell({ close: true });
    await this.ended;
  }
}
