import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Command } from './programs/messages.js';

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** A child process that answers commands. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  constructor(program: 'server' | 'caller' | 'idle', execArgv: readonly string[] = []) {
    const file = new URL(`./programs/${program}.js`, import.meta.url);
    this.#child = fork(file, {
      execArgv: [...execArgv],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (answer: Answer) => this.#onAnswer(answer));
    this.#child.on('exit', (code, signal) => this.#onExit(`${program} ended (${signal ?? code})`));
  }

  ask<T>(command: Command): Promise<T> {
    const id = this.#next++;
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, command });
    }) as Promise<T>;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  #onAnswer({ id, value, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  }

  #onExit(reason: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
  }
}
