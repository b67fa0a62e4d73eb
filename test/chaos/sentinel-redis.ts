import { Redis } from 'ioredis';
import { SentinelRig } from '../support/sentinel.js';
import type { RedisServer, Way } from './redis-server.js';

/** A master and its replica, which change places when the sentinels say so; processes ask these for the master. */
export class SentinelRedis implements RedisServer {
  #admin: Redis;
  /** Settles when the servers are in their places again after the last failover. */
  #settled: Promise<void> = Promise.resolve();

  private constructor(private readonly rig: SentinelRig) {
    this.#admin = this.#connect();
  }

  /** The driver ends for good when it hears of a failover while it asks a sentinel: see docs/ioredis.md. */
  get admin(): Redis {
    if (this.#admin.status === 'end') this.#admin = this.#connect();
    return this.#admin;
  }

  #connect(): Redis {
    const settings = { retryStrategy: () => 50, maxRetriesPerRequest: null };
    const admin = new Redis({ ...this.rig.redis, ...settings, failoverDetector: true });
    admin.on('error', () => undefined);
    return admin;
  }

  static async start(): Promise<SentinelRedis> {
    return new SentinelRedis(await SentinelRig.start());
  }

  openWay(): Promise<Way> {
    return Promise.resolve({ redis: this.rig.redis, prefix: [] });
  }

  /**
   * Does what makes the sentinels fail over, when the last failover is over. Resolves when there is a new master;
   * that the old one comes back takes ten seconds in which other faults are welcome.
   */
  async failOver(strike: (rig: SentinelRig) => unknown): Promise<void> {
    const promoted = this.#settled.then(() => strike(this.rig)).then(() => this.rig.promoted());
    this.#settled = promoted.then(() => this.rig.settled());
    // Whoever strikes next is told, and who closes need not be.
    this.#settled.catch(() => undefined);
    await promoted;
  }

  /** The old master is a replica: until then some may still take it for the master. */
  settled(): Promise<void> {
    return this.#settled;
  }

  async close(): Promise<void> {
    this.#admin.disconnect();
    // Before the servers end: one of them may be coming back just now.
    this.rig.giveUp();
    await this.#settled.catch(() => undefined);
    await this.rig.stop();
  }
}
