import { CloudsDisconnectedError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import { farewellMessage } from '../protocol/encode.js';
import { memberOf, randomId } from '../protocol/ids.js';
import type { Keys } from '../protocol/keys.js';
import { isRedisReply, type RedisPort } from '../redis/link.js';
import { freePoints } from './points.js';
import type { RedisClock } from './redis-clock.js';
import type { Registration } from './registry.js';

const FAREWELL_MS = 1000;
/** The script's word for an inbox that nobody listens on, or an incarnation that has a successor. */
const NOT_SUBSCRIBED = 0;

/** Who this node is in Redis at the moment. */
export interface Identity {
  readonly nodeId: string;
  readonly incarnation: string;
  /** Incarnations before this one that may still be in the sets. */
  readonly predecessors: readonly string[];
  /** The inbox of the incarnation. */
  readonly inbox: string;
}

/** Puts this node into the sets of its services, and takes it out. */
export class Membership {
  readonly #farewells = new Map<string, () => void>();

  constructor(
    private readonly redis: RedisPort,
    private readonly keys: Keys,
    private readonly identity: Identity,
    private readonly clock: RedisClock,
    private readonly entryTtlMs: number,
  ) {}

  /** @throws CloudsDisconnectedError if Redis refuses. */
  async enter(registrations: readonly Registration[], entry: string): Promise<void> {
    if (registrations.length === 0) return;
    const { nodeId, incarnation, predecessors, inbox } = this.identity;
    const keys = [this.keys.node(nodeId), this.keys.subscriptions, ...this.#sets(registrations)];
    const args = registrations.flatMap(setArgs);
    const sentAt = performance.now();
    const redisMs = await this.#register(keys, [
      incarnation,
      inbox,
      predecessors.join(','),
      entry,
      this.entryTtlMs,
      ...args,
    ]);
    // Before the first probe: a node that is frozen right after its start must know what is too old.
    if (redisMs !== NOT_SUBSCRIBED) this.clock.observe(sentAt, redisMs);
  }

  /**
   * Takes the node out. When it resolves, everything that was dispatched to these services before has
   * arrived; unless the connection broke, which ends the incarnation all the same.
   */
  async leave(registrations: readonly Registration[]): Promise<void> {
    if (registrations.length === 0 || !this.redis.isUp) return;
    const token = randomId();
    const { incarnation, inbox } = this.identity;
    const farewell = this.#farewell(token);
    const args = [incarnation, inbox, farewellMessage(token), ...registrations.map(mark)];
    try {
      const receivers = await this.redis.run('leave', this.#sets(registrations), args);
      if (receivers !== 0) await farewell.arrived;
    } catch (error) {
      if (isRedisReply(error))
        throw new CloudsDisconnectedError(messages.leaveRefused(error.message));
    } finally {
      farewell.cancel();
    }
  }

  onFarewell(token: string): void {
    this.#farewells.get(token)?.();
  }

  #farewell(token: string): { arrived: Promise<void>; cancel: () => void } {
    let timer: NodeJS.Timeout | undefined;
    const arrived = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FAREWELL_MS);
      this.#farewells.set(token, resolve);
    });
    const cancel = () => {
      clearTimeout(timer);
      this.#farewells.delete(token);
    };
    return { arrived, cancel };
  }

  #sets(registrations: readonly Registration[]): string[] {
    return registrations.map(({ service }) => this.keys.service(service));
  }

  async #register(keys: string[], args: (string | number)[]): Promise<number> {
    try {
      return Number(await this.redis.run('register', keys, args));
    } catch (error) {
      throw isRedisReply(error)
        ? new CloudsDisconnectedError(messages.registerRefused(error.message))
        : error;
    }
  }
}

/** What `register` and `beat` want to know of each service. */
export function setArgs(registration: Registration): (string | number)[] {
  const { service, isSubscription } = registration;
  return [mark(registration), freePoints(registration), isSubscription ? service : ''];
}

/** What follows the incarnation in its member. */
function mark(registration: Registration): string {
  return memberOf('', registration.isLimited);
}
