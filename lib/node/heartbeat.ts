import type { ProbeMessage } from '../protocol/frames.js';
import type { Keys } from '../protocol/keys.js';
import { isRedisReply, type RedisPort } from '../redis/link.js';
import type { Identity } from './membership.js';
import { setArgs } from './membership.js';
import type { Outbox } from './outbox.js';
import { type PointSnapshot, scoreError, snapshotOf } from './points.js';
import type { RedisClock } from './redis-clock.js';
import type { Registration, Registry } from './registry.js';

/** After so many beats without a sign a node counts as gone, for itself and for others. */
export const MISSED_BEATS = 3;
const JITTER_SHARE = 0.1;

export interface HeartbeatSettings {
  readonly intervalMs: number;
  readonly entryTtlMs: number;
}

export interface HeartbeatListener {
  /** What the node says about itself, JSON; '' while it serves nothing. */
  entry(): string;
  /** The number of a beat as it goes to the script: with a seal, if there is a key. */
  seal(beat: number): string | number;
  /** Nothing that is sent to the inbox arrives. */
  onDeaf(): void;
  onBeat(): void;
  onError(error: Error): void;
}

interface Beat {
  /** By `performance.now()`. */
  readonly sentAt: number;
  readonly snapshots: readonly Snapshot[];
}

interface Snapshot {
  readonly registration: Registration;
  readonly then: PointSnapshot;
}

/**
 * Proves once a beat that the inbox hears, by a probe that Redis sends back with the node's scores,
 * and mends the scores by what the probe says. States: stopped, and beating for one incarnation.
 */
export class Heartbeat {
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #beat = 0;
  #heardBeat = 0;
  #pending = new Map<number, Beat>();

  constructor(
    private readonly redis: RedisPort,
    private readonly keys: Keys,
    private readonly identity: Identity,
    private readonly registry: Registry,
    private readonly outbox: Outbox,
    private readonly clock: RedisClock,
    private readonly settings: HeartbeatSettings,
    private readonly listener: HeartbeatListener,
  ) {}

  start(): void {
    this.stop();
    this.#heardBeat = this.#beat;
    this.#onTime();
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = this.#immediate = undefined;
    this.#pending.clear();
  }

  onProbe({ beat, redisMs, scores }: ProbeMessage): void {
    const pending = this.#pending.get(beat);
    if (pending === undefined) return;
    const { sentAt, snapshots } = pending;
    for (const older of this.#pending.keys()) if (older <= beat) this.#pending.delete(older);
    this.#heardBeat = beat;
    this.clock.observe(sentAt, redisMs);
    snapshots.forEach(({ registration, then }, index) => {
      const score = scores[index];
      if (score === undefined || this.registry.get(registration.service) !== registration) return;
      const error = scoreError(registration, then, score);
      if (error !== 0) this.#mend(registration, error);
    });
  }

  /** Relative, so that it commutes with whatever happens meanwhile. It returns no point that was taken. */
  #mend(registration: Registration, error: number): void {
    registration.returned -= error;
    registration.corrected += error;
    this.outbox.point(registration, error);
  }

  #onTime(): void {
    this.#timer = setTimeout(() => this.#onTime(), this.#delayMs());
    if (this.#beat - this.#heardBeat < MISSED_BEATS) return this.#send();
    // Timers run before the socket is read: after a pause of the process the probe may be waiting there.
    this.#immediate = setImmediate(() => {
      if (this.#beat - this.#heardBeat < MISSED_BEATS) this.#send();
      else this.listener.onDeaf();
    });
  }

  #delayMs(): number {
    const { intervalMs } = this.settings;
    return intervalMs * (1 + JITTER_SHARE * (2 * Math.random() - 1));
  }

  #send(): void {
    const beat = ++this.#beat;
    const registrations = this.registry.present();
    const snapshots = registrations.map((registration) => ({
      registration,
      then: snapshotOf(registration),
    }));
    this.#pending.set(beat, { sentAt: performance.now(), snapshots });
    const { nodeId, incarnation, inbox } = this.identity;
    const keys = [
      this.keys.node(nodeId),
      this.keys.subscriptions,
      ...registrations.map(({ service }) => this.keys.service(service)),
    ];
    const args = [
      incarnation,
      inbox,
      this.listener.entry(),
      this.settings.entryTtlMs,
      this.listener.seal(beat),
      ...registrations.flatMap(setArgs),
    ];
    this.redis.run('beat', keys, args).then(
      (receivers) => receivers === 0 && this.listener.onDeaf(),
      (error: unknown) => this.#onError(beat, error),
    );
    this.listener.onBeat();
  }

  /** A cut connection is the link's business. One on which Redis refuses a beat is not: it is alive. */
  #onError(beat: number, error: unknown): void {
    if (!isRedisReply(error)) return;
    this.#pending.delete(beat);
    this.#heardBeat = Math.max(this.#heardBeat, beat);
    this.listener.onError(error);
  }
}
