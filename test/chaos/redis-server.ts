import type { Redis } from 'ioredis';
import type { CloudsRedisOptions } from '../../lib/index.js';

/** From a place for processes to its Redis. */
export interface Way {
  readonly redis: CloudsRedisOptions;
  /** What their command line begins with, such as what gives them a network of their own. */
  readonly prefix: readonly string[];
}

/** The Redis of a world: one server, or several of which one is the master. */
export interface RedisServer {
  /** To the master, whichever that is. */
  readonly admin: Redis;
  /** How one more place for processes is to connect. */
  openWay(): Promise<Way>;
  /** Resolves when what faults have begun with its servers is over. */
  settled(): Promise<void>;
  /** Ends all that belongs to it, in whatever state a fault has left it. */
  close(): Promise<void>;
}
