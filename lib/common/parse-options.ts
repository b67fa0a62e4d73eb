import { bad, contradiction, durationOr, integer, known, object } from './checks.js';
import { SECOND } from './durations.js';
import {
  type CloudsOptions,
  type CloudsServiceOptions,
  type ResolvedOptions,
  UNLIMITED_ATTEMPTS,
  type WhenFull,
} from './options.js';
import { parseRedis } from './parse-redis.js';
import { parseSigning } from './parse-signing.js';

const DEFAULT_PREFIX = 'clouds:';

/** The fraction of a score takes 32 of a double's 53 bits, which leaves 20 and a sign for points. */
const MAX_POINTS = 2 ** 20;
/** Redis drops a subscriber whose output exceeds 32 MiB; a frame and what is around it must stay below. */
const MAX_PAYLOAD_LIMIT = 16 * 1024 * 1024;
const MAX_PREFIX_LENGTH = 128;
const MEGABYTE = 1024 * 1024;
/** Of what waits, or runs, in one process. */
const MOST_AT_ONCE = 10_000_000;
const GROUP = /^[A-Za-z0-9_.-]{1,64}$/;

const SERVICE_KEYS: readonly (keyof CloudsServiceOptions)[] = [
  'callbackTimeout',
  'attempts',
  'noNodeGrace',
  'cleanInterval',
  'maxWaiting',
  'whenFull',
];
const TOP_KEYS: readonly (keyof CloudsOptions)[] = [
  'redis',
  'prefix',
  'service',
  'baseScore',
  'capacity',
  'maxRunning',
  'heartbeatInterval',
  'drainTimeout',
  'maxPayload',
  'connectTimeout',
  'signing',
  'group',
];

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
    signing: parseSigning(options.signing),
    group: parseGroup(options.group),
  });
}

type ServiceSettings = Pick<
  ResolvedOptions,
  'timeoutMs' | 'attempts' | 'noNodeGraceMs' | 'cleanIntervalMs' | 'maxWaiting' | 'whenFull'
>;

function parseService(service: CloudsServiceOptions = {}): ServiceSettings {
  object('service', service);
  known('service.', service, SERVICE_KEYS);
  return {
    timeoutMs: durationOr('service.callbackTimeout', service.callbackTimeout, 60 * SECOND),
    attempts: parseAttempts('service.attempts', service.attempts ?? 1),
    noNodeGraceMs: durationOr('service.noNodeGrace', service.noNodeGrace, 2 * SECOND, 0),
    cleanIntervalMs: durationOr('service.cleanInterval', service.cleanInterval, 5 * SECOND),
    maxWaiting: integer('service.maxWaiting', service.maxWaiting, 50_000, 1, MOST_AT_ONCE),
    whenFull: parseWhenFull('service.whenFull', service.whenFull ?? 'fail'),
  };
}

type ServingSettings = Pick<
  ResolvedOptions,
  'baseScore' | 'capacity' | 'maxRunning' | 'heartbeatMs' | 'drainMs'
>;

function parseServing(options: CloudsOptions): ServingSettings {
  if (options.capacity !== undefined && options.baseScore !== undefined) {
    throw contradiction('capacity', 'baseScore', 'a node with a capacity has that as its score');
  }
  const capacity = parseCapacity(options.capacity);
  const maxRunning = Math.max(100_000, capacity ?? 0);
  return {
    baseScore: integer('baseScore', options.baseScore, 1000, 1, MAX_POINTS),
    capacity,
    maxRunning: integer('maxRunning', options.maxRunning, maxRunning, 1, MOST_AT_ONCE),
    heartbeatMs: durationOr('heartbeatInterval', options.heartbeatInterval, 1 * SECOND, 50),
    drainMs: durationOr('drainTimeout', options.drainTimeout, 10 * SECOND, 0),
  };
}

/** @throws CloudsBadOptionsError unless `value` is undefined or a whole number that a score can hold. */
export function parseCapacity(value: unknown, path = 'capacity'): number | undefined {
  return value === undefined ? undefined : integer(path, value, 0, 1, MAX_POINTS);
}

/** @throws CloudsBadOptionsError unless `value` is `fail` or `wait`. */
export function parseWhenFull(path: string, value: unknown): WhenFull {
  if (value === 'fail' || value === 'wait') return value;
  throw bad(path, '"fail" or "wait"', value);
}

/** @throws CloudsBadOptionsError unless `value` is undefined or the name of a group; '' for those who name none. */
export function parseGroup(value: unknown): string {
  if (value === undefined) return '';
  if (typeof value === 'string' && GROUP.test(value)) return value;
  throw bad('group', 'up to 64 letters, digits and "_", ".", "-"', value);
}

/** @throws CloudsBadOptionsError unless `value` is -1 or a whole number from 1. */
export function parseAttempts(path: string, value: unknown): number {
  if (value === UNLIMITED_ATTEMPTS) return UNLIMITED_ATTEMPTS;
  if (Number.isSafeInteger(value) && (value as number) >= 1) return value as number;
  throw bad(path, 'a whole number from 1, or -1 for no limit', value);
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
