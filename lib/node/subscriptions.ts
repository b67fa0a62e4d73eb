import type { Keys } from '../protocol/keys.js';
import { isRedisReply, type RedisPort } from '../redis/link.js';
import type { Call, CallPath } from './call.js';
import type { DispatchListener } from './ports.js';
import { type Route, RouteTable } from './route-table.js';
import { MAX_WAITING_LENGTH, WaitingCalls } from './waiting-calls.js';

/** The field of the table that changes with it. */
const VERSION = 'v';

/**
 * Knows who wants which events. An event is sent at once to whom is known, and a look at the table, which is one for
 * all events of a turn, shows whether there is somebody new. To the caller a look is a one-way call on this path:
 * it waits for Redis, and ends, like any other. Its body is the data of the event.
 */
export class Subscriptions implements CallPath {
  #table = new RouteTable([]);
  #version: unknown;
  readonly #waiting = new WaitingCalls();
  #isAsking = false;

  constructor(
    private readonly redis: RedisPort,
    private readonly keys: Keys,
    private readonly partition: { readonly isOpen: boolean; readonly openedAt: number },
    private readonly listener: DispatchListener,
    private readonly maxWaiting: number,
  ) {}

  get isOpen(): boolean {
    return this.partition.isOpen;
  }

  get openedAt(): number {
    return this.partition.openedAt;
  }

  get isFull(): boolean {
    const { size, length } = this.#waiting;
    return !this.isOpen && (size >= this.maxWaiting || length >= MAX_WAITING_LENGTH);
  }

  /** As of the last look. */
  routesOf(event: string): readonly Route[] {
    return this.#table.routesOf(event);
  }

  dispatch(look: Call): void {
    this.#waiting.add(look);
    this.#schedule();
  }

  withdraw(look: Call): void {
    this.#waiting.remove(look);
  }

  /** No node has a look. */
  cancel(): void {}
  ask(): void {}
  consumed(): void {}
  leaveLine(): void {}

  /** The partition is open. */
  resume(): void {
    this.#schedule();
  }

  /** Takes a service out of the table that has no node any more, unless it has one again. */
  async forget(service: string): Promise<boolean> {
    const keys = [this.keys.subscriptions, this.keys.service(service)];
    return (await this.redis.run('forget', keys, [service])) === 1;
  }

  #schedule(): void {
    if (this.#isAsking || this.#waiting.size === 0 || !this.isOpen) return;
    this.#isAsking = true;
    setImmediate(() => void this.#look());
  }

  async #look(): Promise<void> {
    const looks = this.#waiting.all();
    try {
      await this.#refresh();
      for (const look of looks) this.#settle(look);
    } catch (error) {
      // If the connection broke, they wait for the next.
      if (isRedisReply(error)) for (const look of looks) this.#refuse(look, error);
    }
    this.#isAsking = false;
    this.#schedule();
  }

  #settle(look: Call): void {
    if (this.#takeOut(look)) this.listener.onSent(look);
  }

  #refuse(look: Call, error: Error): void {
    if (this.#takeOut(look)) this.listener.onRefused(look, look.attempt, error);
  }

  /** Whether it was not withdrawn meanwhile. */
  #takeOut(look: Call): boolean {
    const isWaiting = this.#waiting.has(look);
    this.#waiting.remove(look);
    return isWaiting;
  }

  async #refresh(): Promise<void> {
    const [answer] = await this.redis.pipeline([['hget', this.keys.subscriptions, VERSION]]);
    if (answer!.error) throw answer!.error;
    if (answer!.value !== this.#version) this.#table = new RouteTable(await this.#read());
    this.#version = answer!.value;
  }

  async #read(): Promise<string[]> {
    const [answer] = await this.redis.pipeline([['hkeys', this.keys.subscriptions]]);
    if (answer!.error) throw answer!.error;
    return (answer!.value as string[]).filter((field) => field !== VERSION);
  }
}
