import { MAX_TIMER_MS, SECOND } from './durations.js';
import { CloudsBadOptionsError } from './errors.js';
import { messages } from './messages.js';
import {
  type CloudsOptions,
  type CloudsRedisOptions,
  type CloudsServiceOptions,
  type ResolvedOptions,
  UNLIMITED_ATTEMPTS,
} from './options.js';

const DEFAULT_PREFIX = 'clouds:';

/** The fraction of a score takes 32 of a double's 53 bits, which leaves 20 and a sign for points. */
const MAX_POINTS = 2 ** 20;
/** Redis drops a subscriber whose output exceeds 32 MiB; a frame and what is around it must stay below. */
const MAX_PAYLOAD_LIMIT = 16 * 1024 * 1024;
const MAX_PREFIX_LENGTH = 128;
const MEGABYTE = 1024 * 1024;

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
const TEXTS = [
  'host',
  'path',
  'username',
  'password',
  'name',
  'sentinelUsername',
  'sentinelPassword',
  'connectionName',
] as const;
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
 * Checks `options` and fills in what is missing. The defaults of everything are here.
 * @throws CloudsBadOptionsError that names the option and what is allowed.
 */
export function parseOptions(options: CloudsOptions = {}): ResolvedOptions {
  object('options', options);
  known('', options, TOP_KEYS);
  const { prefix: redisPrefix, ...redis } = parseRedis(options.redis);
  return Object.freeze({
    redis,
    prefix: parsePrefix(options.prefix, redisPrefix),
    ...parseService(options.service),
    ...parseServing(options),
    maxPayloadBytes: integer('maxPayload', options.maxPayload, MEGABYTE, 1, MAX_PAYLOAD_LIMIT),
    connectMs: durationOr('connectTimeout', options.connectTimeout, 10 * SECOND),
  });
}

type ServiceSettings = Pick<
  ResolvedOptions,
  'timeoutMs' | 'attempts' | 'noNodeGraceMs' | 'cleanIntervalMs'
>;

function parseService(service: CloudsServiceOptions = {}): ServiceSettings {
  object('service', service);
  known('service.', service, SERVICE_KEYS);
  return {
    timeoutMs: durationOr('service.callbackTimeout', service.callbackTimeout, 60 * SECOND),
    attempts: parseAttempts('service.attempts', service.attempts ?? 1),
    noNodeGraceMs: durationOr('service.noNodeGrace', service.noNodeGrace, 2 * SECOND, 0),
    cleanIntervalMs: durationOr('service.cleanInterval', service.cleanInterval, 5 * SECOND),
  };
}

type ServingSettings = Pick<ResolvedOptions, 'baseScore' | 'capacity' | 'heartbeatMs' | 'drainMs'>;

function parseServing(options: CloudsOptions): ServingSettings {
  return {
    baseScore: integer('baseScore', options.baseScore, 1000, 1, MAX_POINTS),
    capacity: parseCapacity(options.capacity),
    heartbeatMs: durationOr('heartbeatInterval', options.heartbeatInterval, 1 * SECOND, 50),
    drainMs: durationOr('drainTimeout', options.drainTimeout, 10 * SECOND, 0),
  };
}

/** @throws CloudsBadOptionsError unless `value` is undefined or a whole number that a score can hold. */
export function parseCapacity(value: unknown): number | undefined {
  return value === undefined ? undefined : integer('capacity', value, 0, 1, MAX_POINTS);
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

function parseRedis(redis: string | CloudsRedisOptions = {}): CloudsRedisOptions {
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
  if (redis.port !== undefined) integer('redis.port', redis.port, 0, 1, 65_535);
  if (redis.db !== undefined) integer('redis.db', redis.db, 0, 0, 1_000_000);
  for (const key of TEXTS) {
    const value: unknown = redis[key];
    // The value is not shown: it may be a password.
    if (value !== undefined && typeof value !== 'string')
      throw bad(`redis.${key}`, 'a string', typeof value);
  }
  if (redis.keepAlive !== undefined) duration('redis.keepAlive', redis.keepAlive, 0);
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
  if (redis.name !== undefined && redis.sentinels === undefined) {
    throw bad('redis.sentinels', 'the sentinels that watch the master', undefined);
  }
}

/** The value is not shown: where a URL is written badly, nobody knows which part of it is the password. */
function redisUrl(path: string, value: unknown): string {
  const isUrl = typeof value === 'string' && /^rediss?:\/\/./.test(value) && URL.canParse(value);
  if (!isUrl) throw bad(path, 'a URL like redis://127.0.0.1:6379/0', 'something else');
  // ioredis takes options from the query, and they would win over what the transport relies on.
  if (new URL(value).search)
    throw bad(path, 'a URL without a query; give options one by one', 'one with a query');
  return value;
}

function parsePrefix(top: unknown, inRedis: unknown): string {
  if (top !== undefined && inRedis !== undefined && top !== inRedis) {
    throw contradiction('prefix', 'redis.prefix', 'they are the same setting, give it once');
  }
  const path = top !== undefined ? 'prefix' : 'redis.prefix';
  const prefix = top ?? inRedis ?? DEFAULT_PREFIX;
  if (typeof prefix === 'string' && prefix.length <= MAX_PREFIX_LENGTH && !/\p{Cc}/u.test(prefix)) {
    return prefix;
  }
  throw bad(
    path,
    `a string of up to ${MAX_PREFIX_LENGTH} characters without control characters`,
    prefix,
  );
}

function durationOr(path: string, value: unknown, byDefault: number, least = 1): number {
  return duration(path, value ?? byDefault, least);
}

function integer(
  path: string,
  value: unknown,
  byDefault: number,
  least: number,
  most: number,
): number {
  const given = value ?? byDefault;
  if (Number.isSafeInteger(given) && (given as number) >= least && (given as number) <= most) {
    return given as number;
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
