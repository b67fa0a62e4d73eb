import type { ConnectionOptions } from 'node:tls';
import { MAX_TIMER_MS, SECOND } from './durations.js';
import { CloudsBadOptionsError } from './errors.js';
import { messages } from './messages.js';

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
  /** Address family: 4, 6, or 0 for either. Default 4. */
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
  /** How often a node audits its scores and proves that it hears, in ms. Default 1000. */
  heartbeatInterval?: number;
  /** How long `close()` waits for running handlers before it cancels them, in ms. Default 10000. */
  drainTimeout?: number;
  /** The largest serialised data of a request or of one reply value, in bytes. Default 1048576. */
  maxPayload?: number;
  /** How long `connect()` tries before it gives up, in ms. Default 10000. */
  connectTimeout?: number;
}

/** Options with every default filled in and every rule checked. */
export interface ResolvedOptions {
  readonly redis: Readonly<Omit<CloudsRedisOptions, 'prefix'>>;
  readonly prefix: string;
  readonly timeoutMs: number;
  readonly attempts: number;
  readonly noNodeGraceMs: number;
  readonly cleanIntervalMs: number;
  readonly baseScore: number;
  readonly capacity: number | undefined;
  readonly heartbeatMs: number;
  readonly drainMs: number;
  readonly maxPayloadBytes: number;
  readonly connectMs: number;
}

export const UNLIMITED_ATTEMPTS = -1;

const DEFAULTS = {
  prefix: 'clouds:',
  callbackTimeout: 60 * SECOND,
  attempts: 1,
  noNodeGrace: 2 * SECOND,
  cleanInterval: 5 * SECOND,
  baseScore: 1000,
  heartbeatInterval: 1 * SECOND,
  drainTimeout: 10 * SECOND,
  maxPayload: 1024 * 1024,
  connectTimeout: 10 * SECOND,
} as const;

/** The fraction of a score takes 32 of a double's 53 bits, which leaves 20 and a sign for points. */
const MAX_POINTS = 2 ** 20;
/** Redis drops a subscriber whose output exceeds 32 MiB; a frame and what is around it must stay below. */
const MAX_PAYLOAD_LIMIT = 16 * 1024 * 1024;
const MAX_PREFIX_LENGTH = 128;

const REDIS_KEYS: readonly (keyof CloudsRedisOptions)[] = [
  'url',
  'host',
  'port',
  'path',
  'db',
  'prefix',
  'username',
  'password',
  'tls',
  'family',
  'sentinels',
  'name',
  'sentinelUsername',
  'sentinelPassword',
  'connectTimeout',
  'keepAlive',
  'connectionName',
];
const SERVICE_KEYS: readonly (keyof CloudsServiceOptions)[] = [
  'callbackTimeout',
  'attempts',
  'noNodeGrace',
  'cleanInterval',
];
const TOP_KEYS: readonly (keyof CloudsOptions)[] = [
  'redis',
  'prefix',
  'service',
  'baseScore',
  'capacity',
  'heartbeatInterval',
  'drainTimeout',
  'maxPayload',
  'connectTimeout',
];

const MANAGED: Readonly<Record<string, string>> = {
  keyPrefix: 'Use "prefix", which also holds for channels.',
  protocol: 'One RESP3 connection carries commands and the inbox.',
  autoResubscribe: 'The transport subscribes by itself after every reconnect.',
  autoResendUnfulfilledCommands: 'The transport resends under a fence, so that nothing runs twice.',
  maxRetriesPerRequest: 'Every call has a timeout of its own.',
  enableOfflineQueue: 'Calls made while Redis is away wait in the transport.',
  retryStrategy: 'The transport reconnects for as long as it is open.',
};

/**
 * Checks `options` and fills in what is missing.
 * @throws CloudsBadOptionsError that names the option and what is allowed.
 */
export function parseOptions(options: CloudsOptions = {}): ResolvedOptions {
  object('options', options);
  known('', options, TOP_KEYS);
  const service = options.service ?? {};
  object('service', service);
  known('service.', service, SERVICE_KEYS);
  const { prefix: redisPrefix, ...redis } = parseRedis(options.redis ?? {});
  return Object.freeze({
    redis,
    prefix: parsePrefix(options.prefix, redisPrefix),
    timeoutMs: duration(
      'service.callbackTimeout',
      service.callbackTimeout ?? DEFAULTS.callbackTimeout,
    ),
    attempts: parseAttempts('service.attempts', service.attempts ?? DEFAULTS.attempts),
    noNodeGraceMs: duration('service.noNodeGrace', service.noNodeGrace ?? DEFAULTS.noNodeGrace, 0),
    cleanIntervalMs: duration(
      'service.cleanInterval',
      service.cleanInterval ?? DEFAULTS.cleanInterval,
    ),
    baseScore: integer('baseScore', options.baseScore ?? DEFAULTS.baseScore, 1, MAX_POINTS),
    capacity:
      options.capacity === undefined
        ? undefined
        : integer('capacity', options.capacity, 1, MAX_POINTS),
    heartbeatMs: duration(
      'heartbeatInterval',
      options.heartbeatInterval ?? DEFAULTS.heartbeatInterval,
      50,
    ),
    drainMs: duration('drainTimeout', options.drainTimeout ?? DEFAULTS.drainTimeout, 0),
    maxPayloadBytes: integer(
      'maxPayload',
      options.maxPayload ?? DEFAULTS.maxPayload,
      1,
      MAX_PAYLOAD_LIMIT,
    ),
    connectMs: duration('connectTimeout', options.connectTimeout ?? DEFAULTS.connectTimeout),
  });
}

/** @throws CloudsBadOptionsError unless `value` is -1 or a whole number from 1. */
export function parseAttempts(path: string, value: unknown): number {
  if (value === UNLIMITED_ATTEMPTS) return UNLIMITED_ATTEMPTS;
  if (Number.isSafeInteger(value) && (value as number) >= 1) return value as number;
  throw bad(path, 'a whole number from 1, or -1 for no limit', value);
}

/** @throws CloudsBadOptionsError unless `value` is a number of milliseconds that a timer can hold. */
export function duration(path: string, value: unknown, least = 1): number {
  if (typeof value === 'number' && value >= least && value <= MAX_TIMER_MS) return value;
  throw bad(path, `a number of milliseconds from ${least} to ${MAX_TIMER_MS}`, value);
}

function parseRedis(redis: string | CloudsRedisOptions): CloudsRedisOptions {
  if (typeof redis === 'string') return { url: redisUrl('redis', redis) };
  object('redis', redis);
  for (const key of Object.keys(redis)) {
    const instead = MANAGED[key];
    if (instead !== undefined) {
      throw new CloudsBadOptionsError(messages.managedOption(`redis.${key}`, instead));
    }
  }
  known('redis.', redis, REDIS_KEYS);
  checkRedisAddress(redis);
  if (redis.port !== undefined) integer('redis.port', redis.port, 1, 65_535);
  if (redis.db !== undefined) integer('redis.db', redis.db, 0, 1_000_000);
  if (redis.connectTimeout !== undefined) duration('redis.connectTimeout', redis.connectTimeout);
  return redis;
}

function checkRedisAddress(redis: CloudsRedisOptions): void {
  if (redis.url !== undefined) redisUrl('redis.url', redis.url);
  const ways = (['url', 'path', 'sentinels', 'host'] as const).filter(
    (key) => redis[key] !== undefined,
  );
  const [first, second] = ways;
  if (first !== undefined && second !== undefined) {
    throw contradiction(`redis.${first}`, `redis.${second}`, 'give one of them');
  }
  if (redis.port !== undefined && first !== undefined && first !== 'host') {
    throw contradiction(`redis.${first}`, 'redis.port', 'a port goes with a host');
  }
  if (redis.sentinels !== undefined && !redis.name) {
    throw bad('redis.name', 'the name of the master that the sentinels watch', redis.name);
  }
}

function redisUrl(path: string, value: unknown): string {
  if (typeof value === 'string' && /^rediss?:\/\/./.test(value) && URL.canParse(value))
    return value;
  throw bad(path, 'a URL like redis://127.0.0.1:6379/0', hidePassword(value));
}

function hidePassword(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/\/\/[^@/]*@/, '//***@') : value;
}

function parsePrefix(top: unknown, inRedis: unknown): string {
  if (top !== undefined && inRedis !== undefined && top !== inRedis) {
    throw contradiction('prefix', 'redis.prefix', 'they are the same setting, give it once');
  }
  const path = top !== undefined ? 'prefix' : 'redis.prefix';
  const prefix = top ?? inRedis ?? DEFAULTS.prefix;
  if (typeof prefix === 'string' && prefix.length <= MAX_PREFIX_LENGTH && !/\p{Cc}/u.test(prefix)) {
    return prefix;
  }
  throw bad(
    path,
    `a string of up to ${MAX_PREFIX_LENGTH} characters without control characters`,
    prefix,
  );
}

function integer(path: string, value: unknown, least: number, most: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) {
    return value as number;
  }
  throw bad(path, `a whole number from ${least} to ${most}`, value);
}

function object(path: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw bad(path, 'an object', value);
  }
}

function known(parent: string, value: object, allowed: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (!allowed.includes(key)) {
      throw new CloudsBadOptionsError(messages.unknownOption(`${parent}${key}`, allowed));
    }
  }
}

function bad(path: string, expected: string, actual: unknown): CloudsBadOptionsError {
  return new CloudsBadOptionsError(messages.badOption(path, expected, actual), {
    details: { option: path },
  });
}

function contradiction(first: string, second: string, rule: string): CloudsBadOptionsError {
  return new CloudsBadOptionsError(messages.contradiction(first, second, rule), {
    details: { option: first },
  });
}
