import type { ConnectionOptions } from 'node:tls';

/** Where Redis is and how to get in. All have the meaning that they have in ioredis. */
export interface CloudsRedisOptions {
  /** `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS. Excludes `host`, `port` and `path`. */
  url?: string;
  /** Host name or address. Default `127.0.0.1`. */
  host?: string;
  /** TCP port. Default 6379. */
  port?: number;
  /** Path of a Unix socket, instead of host and port. */
  path?: string;
  /** Number of the database for keys. Default 0. Pub/sub ignores it: two applications need two prefixes. */
  db?: number;
  /** Put before every key and channel. Default `clouds:`. The same as the option `prefix` one level up. */
  prefix?: string;
  /** ACL user. Default: the server's default user. */
  username?: string;
  /** Password. Default none. */
  password?: string;
  /** Settings of `node:tls`; `{}` for the defaults. Default: no TLS. */
  tls?: ConnectionOptions;
  /** Address family: 4, 6, or 0 for either. Default 0. */
  family?: number;
  /** Sentinels to ask for the master; with `name`. */
  sentinels?: ReadonlyArray<{ host?: string; port?: number }>;
  /** Name of the master that the sentinels watch. */
  name?: string;
  /** ACL user at the sentinels. */
  sentinelUsername?: string;
  /** Password at the sentinels. */
  sentinelPassword?: string;
  /** How long one connection attempt may take, in ms. Default 2000. */
  connectTimeout?: number;
  /** TCP keep-alive, in ms. Default 5000. */
  keepAlive?: number;
  /** Shown by `CLIENT LIST`. Default `clouds`. */
  connectionName?: string;
}

/** What a call does when all nodes of its service are at their capacity. */
export type WhenFull = 'fail' | 'wait';

/** How calls are made. */
export interface CloudsServiceOptions {
  /** How long one attempt waits for its reply, in ms. Default 60000. */
  callbackTimeout?: number;
  /** How many nodes a call tries, one after the other; -1 for no limit. Default 1. */
  attempts?: number;
  /** How long a call waits for a node to come back when a known service has none, in ms. Default 2000. */
  noNodeGrace?: number;
  /** A timeout cleans away dead nodes, at most once in this many ms. Default 5000. */
  cleanInterval?: number;
  /**
   * How many calls may wait while Redis is away; more fail at once with `CLOUDS_DISCONNECTED`. Default 50000. Beside
   * that the data of calls that wait may take 256 MiB. Also how many may wait for room (`whenFull`).
   */
  maxWaiting?: number;
  /** What a call does when all nodes are at their capacity: `fail` at once, or `wait` until its deadline. Default `fail`. */
  whenFull?: WhenFull;
}

/** Proof that messages come from processes that know a key: docs/security.md. */
export interface CloudsSigningOptions {
  /**
   * Secrets of at least 32 characters, the same in all processes. The first signs, all are believed: so that they
   * can be changed one by one.
   */
  keys: readonly string[];
  /** Whether what is not signed is dropped. Default true; false while the processes are given their first key. */
  required?: boolean;
}

/** All options of a node. Everything has a default. */
export interface CloudsOptions {
  /** A URL, or the settings one by one. Default `redis://127.0.0.1:6379`. */
  redis?: string | CloudsRedisOptions;
  /** Put before every key and channel; processes see each other only with the same one. Default `clouds:`. */
  prefix?: string;
  /** How calls are made. */
  service?: CloudsServiceOptions;
  /** The score of an idle node that has no `capacity`: 1 to 1048576. Default 1000. */
  baseScore?: number;
  /** How many calls of one service this node runs at once; what exceeds it is refused. Default: no limit. */
  capacity?: number;
  /** How many requests of all services this node runs at once; more are refused. Default 100000, or `capacity` if that is more. */
  maxRunning?: number;
  /** How often a node audits its scores and proves that it hears, in ms. Default 1000. */
  heartbeatInterval?: number;
  /** How long `close()` waits for running handlers before it cancels them, in ms. Default 10000. */
  drainTimeout?: number;
  /** The largest serialised data of a request or of one reply value, in bytes. Default 1048576. */
  maxPayload?: number;
  /** How long `connect()` tries before it gives up, in ms. Default 10000. */
  connectTimeout?: number;
  /**
   * Each event goes to one node of every group. Give a name to the replicas of an application that wants events
   * which others take too. Default: the group of all who name none.
   */
  group?: string;
  /** Signs all messages, and drops what is not signed, was changed or comes again. Default: no signatures. */
  signing?: CloudsSigningOptions;
}

/** Signing with its default filled in. */
export interface ResolvedSigning {
  /** `signing.keys`. */
  readonly keys: readonly string[];
  /** `signing.required`. */
  readonly isRequired: boolean;
}

/** Options with every default filled in and every rule checked. */
export interface ResolvedOptions {
  /** Where Redis is, as given. */
  readonly redis: Readonly<Omit<CloudsRedisOptions, 'prefix'>>;
  /** Before every key and channel. */
  readonly prefix: string;
  /** `service.callbackTimeout`. */
  readonly timeoutMs: number;
  /** `service.attempts`. */
  readonly attempts: number;
  /** `service.noNodeGrace`. */
  readonly noNodeGraceMs: number;
  /** `service.cleanInterval`. */
  readonly cleanIntervalMs: number;
  /** `service.maxWaiting`. */
  readonly maxWaiting: number;
  /** `service.whenFull`. */
  readonly whenFull: WhenFull;
  /** `baseScore`. */
  readonly baseScore: number;
  /** `capacity`; undefined for no limit. */
  readonly capacity: number | undefined;
  /** `maxRunning`. */
  readonly maxRunning: number;
  /** `heartbeatInterval`. */
  readonly heartbeatMs: number;
  /** `drainTimeout`. */
  readonly drainMs: number;
  /** `maxPayload`. */
  readonly maxPayloadBytes: number;
  /** `connectTimeout`. */
  readonly connectMs: number;
  /** `signing`; undefined for none. */
  readonly signing: ResolvedSigning | undefined;
  /** '' is that of all who name none. */
  readonly group: string;
}

export const UNLIMITED_ATTEMPTS = -1;
