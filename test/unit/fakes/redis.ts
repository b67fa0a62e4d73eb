import { ReplyError } from 'ioredis';
import type { Answer, Command, RedisPort, ScriptName } from '../../../lib/redis/link.js';

/** A script that was sent and that the test answers. */
export interface SentScript {
  readonly script: ScriptName;
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
  answer(value: unknown): void;
  /** Redis says no. */
  refuse(message: string): void;
  /** The connection breaks before the answer. */
  cut(): void;
}

/** Redis as the engine sees it. Scripts wait for the test; commands are answered by `reply`. */
export class FakeRedis implements RedisPort {
  isUp = true;
  canBeQuiet = false;
  serverId: string | undefined = 'server-1';
  resets = 0;
  readonly subscriptions: string[] = [];
  /** The answer to each command of a pipeline. An Error is what Redis refuses it with. */
  reply: (command: Command) => unknown = () => 1;
  /** Before this settles no pipeline is answered; if it rejects, the connection broke. */
  pipelineHeld: Promise<unknown> = Promise.resolve();
  #scripts: SentScript[] = [];
  #pipelines: Command[][] = [];
  readonly #quiet: Command[] = [];

  run(
    script: ScriptName,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    return new Promise((answer, fail) => {
      const refuse = (message: string) => fail(redisError(message));
      const cut = () => fail(connectionError());
      this.#scripts.push({ script, keys, args, answer, refuse, cut });
    });
  }

  /** What was sent without a wish for an answer, since the last look. */
  takeQuiet(): Command[] {
    return this.#quiet.splice(0);
  }

  runQuietly(
    script: ScriptName,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): void {
    this.#quiet.push([script, ...keys, ...args]);
  }

  sendQuietly(commands: readonly Command[]): void {
    this.#quiet.push(...commands);
  }

  async pipeline(commands: Command[]): Promise<Answer[]> {
    this.#pipelines.push(commands);
    await this.pipelineHeld;
    return commands.map((command) => {
      const value = this.reply(command);
      return value instanceof Error ? { error: value, value: undefined } : { error: null, value };
    });
  }

  subscribe(channel: string): Promise<void> {
    this.subscriptions.push(channel);
    return Promise.resolve();
  }

  unsubscribe(): Promise<void> {
    return Promise.resolve();
  }

  reset(): void {
    this.resets++;
  }

  /** From now on every pipeline breaks with the connection. */
  cutPipelines(): void {
    this.pipelineHeld = Promise.reject(connectionError());
    this.pipelineHeld.catch(() => undefined);
  }

  /** The scripts sent since the last look. */
  takeScripts(name?: ScriptName): SentScript[] {
    const taken = this.#scripts.filter(({ script }) => name === undefined || script === name);
    this.#scripts = this.#scripts.filter((one) => !taken.includes(one));
    return taken;
  }

  /** The pipelines sent since the last look. */
  takePipelines(): Command[][] {
    return this.#pipelines.splice(0);
  }

  /** The commands of all pipelines sent since the last look. */
  takeCommands(): Command[] {
    return this.takePipelines().flat();
  }
}

export function redisError(message: string): Error {
  return new (ReplyError as unknown as new (message: string) => Error)(message);
}

export function connectionError(): Error {
  return new Error('Connection is closed.');
}

/** The only one; fails if there are none or more. */
export function only<T>(items: readonly T[]): T {
  if (items.length !== 1) throw new Error(`expected one, got ${items.length}`);
  return items[0]!;
}
