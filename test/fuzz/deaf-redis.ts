import type { Answer, Command, RedisPort, ScriptName } from '../../lib/redis/link.js';

/** A Redis that says yes to everything, and forgets it. */
export class DeafRedis implements RedisPort {
  readonly isUp = true;
  readonly canBeQuiet = true;
  readonly serverId = 'deaf';
  resets = 0;

  run(script: ScriptName, _keys: readonly string[], args: readonly (string | number)[]) {
    return Promise.resolve(script === 'dispatch' ? this.#place(args) : 1);
  }

  pipeline(commands: readonly Command[]): Promise<Answer[]> {
    return Promise.resolve(commands.map(() => ({ error: null, value: 1 })));
  }

  runQuietly(): void {}
  sendQuietly(): void {}

  subscribe(): Promise<void> {
    return Promise.resolve();
  }

  unsubscribe(): Promise<void> {
    return Promise.resolve();
  }

  reset(): void {
    this.resets++;
  }

  /** Every request goes to one node. */
  #place([, , , , , small, large]: readonly (string | number)[]): string {
    const count = Number(small) + Number(large);
    return count === 0 ? '1000|' : `1000|node.1*${count}`;
  }
}
