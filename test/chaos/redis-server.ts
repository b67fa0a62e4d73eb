import type { Redis } from 'ioredis';
import type { CloudsRedisOptions } from '../../lib/index.js';

/** The Redis of a world: one server, or several of which one is the master. */
export interface RedisServer {
  /** To the master, whichever that is. */
  readonly admin: Redis;
  /** How one more place for processes is to connect. */
  openWay(): Promise<CloudsRedisOptions>;
  /** Ends all that belongs to it, in whatever state a fault has left it. */
  close(): Promise<void>;
}
