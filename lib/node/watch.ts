import type { Keys } from '../protocol/keys.js';
import { isRedisReply, type RedisPort } from '../redis/link.js';
import type { CallPath } from './call.js';
import { lookUp, type Sighting } from './look-up.js';
import type { WatchListener } from './ports.js';

const LOOK_MS = 250;
/** A node whose inbox is gone may be reconnecting; it takes a tenth of a second if all is well. */
const SUSPICION_MS = 300;
const LOOK_AT_SUSPECTS_MS = 100;

export interface WatchSettings {
  /** After a cut the nodes come back one by one: for so long a missing inbox is not held against them. */
  readonly returnMs: number;
  /** An entry may be missing because Redis lost all it had: for so long its node can put it back. */
  readonly silenceMs: number;
}

/** How long each of some conditions has lasted. */
class Spells {
  readonly #since = new Map<string, number>();

  get size(): number {
    return this.#since.size;
  }

  /** The condition holds now. Returns for how long it has. */
  lasted(key: string): number {
    const now = performance.now();
    const since = this.#since.get(key) ?? now;
    this.#since.set(key, since);
    return now - since;
  }

  end(key: string): void {
    this.#since.delete(key);
  }

  /** Ends all that are not about one of these. */
  keepOnly(keys: { has(key: string): boolean }): void {
    for (const key of this.#since.keys()) if (!keys.has(key)) this.#since.delete(key);
  }

  clear(): void {
    this.#since.clear();
  }
}

/**
 * Looks after the nodes that calls wait for: a killed process loses its inbox within milliseconds, but
 * nobody tells its callers. Looks only while calls are out. States: stopped, looking.
 */
export class Watch {
  /** Incarnations without an inbox. */
  readonly #suspects = new Spells();
  /** Incarnations whose node has no entry. */
  readonly #silent = new Spells();
  #timer: NodeJS.Timeout | undefined;
  #isRefusalTold = false;

  constructor(
    private readonly redis: RedisPort,
    private readonly keys: Keys,
    private readonly path: CallPath,
    private readonly calls: Omit<WatchListener, 'onPathOpened'>,
    private readonly settings: WatchSettings,
    /** Redis refuses to be asked: told once, until it does not any more. */
    private readonly onRefused: (error: Error) => void,
  ) {}

  /** To be called when a call is dispatched: the watch goes on by itself for as long as calls wait. */
  start(): void {
    this.#timer ??= setTimeout(() => void this.#look(), LOOK_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#forgetSpells();
  }

  async #look(): Promise<void> {
    const waitedFor = this.calls.waitedFor(this.path, performance.now() - LOOK_MS / 2);
    try {
      if (waitedFor.size > 0 && this.redis.isUp) await this.#inspect(waitedFor);
    } catch (error) {
      this.#onBlind(error);
    }
    this.#goOn();
  }

  /** If the connection broke under the question: when it is back, all nodes are asked about all calls. */
  #onBlind(error: unknown): void {
    this.#forgetSpells();
    if (!isRedisReply(error) || this.#isRefusalTold) return;
    this.#isRefusalTold = true;
    this.onRefused(error);
  }

  #goOn(): void {
    const wasStopped = this.#timer === undefined;
    this.#timer = undefined;
    if (wasStopped || this.calls.inFlight === 0) return this.#forgetSpells();
    const delayMs = this.#suspects.size > 0 ? LOOK_AT_SUSPECTS_MS : LOOK_MS;
    this.#timer = setTimeout(() => void this.#look(), delayMs);
  }

  #forgetSpells(): void {
    this.#suspects.clear();
    this.#silent.clear();
  }

  async #inspect(waitedFor: ReadonlyMap<string, number>): Promise<void> {
    this.#suspects.keepOnly(waitedFor);
    this.#silent.keepOnly(waitedFor);
    const sightings = await lookUp(this.redis, this.keys, [...waitedFor.keys()]);
    this.#isRefusalTold = false;
    for (const sighting of sightings) {
      this.#judge(sighting, waitedFor.get(sighting.incarnation)!);
    }
  }

  #judge({ incarnation, hasInbox, present }: Sighting, lastPlacedAt: number): void {
    if (hasInbox) {
      this.#suspects.end(incarnation);
      if (this.#isFrozen(incarnation, present)) this.calls.onNodeFrozen(this.path, incarnation);
    } else if (present !== undefined && present !== incarnation) {
      this.#suspects.end(incarnation);
      this.calls.onNodeBack(this.path, incarnation, present);
    } else if (this.#isLost(incarnation, lastPlacedAt)) {
      this.#suspects.end(incarnation);
      this.calls.onNodeLost(this.path, incarnation);
    }
  }

  #isFrozen(incarnation: string, present: string | undefined): boolean {
    if (present === undefined) return this.#silent.lasted(incarnation) >= this.settings.silenceMs;
    this.#silent.end(incarnation);
    return false;
  }

  /** A node that took a call since the path was opened was there then; of others that is not known. */
  #isLost(incarnation: string, lastPlacedAt: number): boolean {
    const { openedAt } = this.path;
    const mayBeReturning =
      lastPlacedAt < openedAt && performance.now() - openedAt < this.settings.returnMs;
    return this.#suspects.lasted(incarnation) >= SUSPICION_MS && !mayBeReturning;
  }
}
