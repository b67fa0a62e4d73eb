import { bad, contradiction, duration, integer, known, NOT_SHOWN, object } from './checks.js';
import { CloudsBadOptionsError } from './errors.js';
import { messages } from './messages.js';
import type { CloudsRedisOptions } from './options.js';

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
const TEXTS: readonly string[] = [
  'host',
  'path',
  'username',
  'password',
  'name',
  'sentinelUsername',
  'sentinelPassword',
  'connectionName',
];
const FAMILIES: readonly unknown[] = [0, 4, 6];

const MANAGED: Readonly<Record<string, string>> = {
  keyPrefix: 'Use "prefix", which also holds for channels.',
  protocol: 'One RESP3 connection carries commands and the inbox.',
  autoResubscribe: 'The transport subscribes by itself after every reconnect.',
  autoResendUnfulfilledCommands: 'The transport resends under a fence, so that nothing runs twice.',
  maxRetriesPerRequest: 'Every call has a timeout of its own.',
  enableOfflineQueue: 'Calls made while Redis is away wait in the transport.',
  retryStrategy: 'The transport reconnects for as long as it is open.',
};

/** What each option must be; texts, and the prefix, are checked apart. */
const CHECKS: Readonly<Record<string, (path: string, value: unknown) => void>> = {
  url: checkUrl,
  host: checkHost,
  path: checkPath,
  port: (path, value) => integer(path, value, 0, 1, 65_535),
  db: (path, value) => integer(path, value, 0, 0, 1_000_000),
  tls: object,
  family: checkFamily,
  sentinels: checkSentinels,
  connectTimeout: duration,
  keepAlive: (path, value) => duration(path, value, 0),
};

/** Of these, one says where Redis is. */
const WAYS = ['url', 'path', 'sentinels', 'host'] as const;

/** @throws CloudsBadOptionsError that names the option and what is allowed. */
export function parseRedis(redis: string | CloudsRedisOptions = {}): CloudsRedisOptions {
  if (typeof redis === 'string') {
    checkUrl('redis', redis);
    return { url: redis };
  }
  object('redis', redis);
  Object.keys(redis).forEach(checkNotManaged);
  known('redis.', redis, REDIS_KEYS);
  for (const [key, value] of Object.entries(redis)) {
    if (value !== undefined) checkOne(key, value);
  }
  checkWay(redis);
  checkMaster(redis);
  return redis;
}

function checkNotManaged(key: string): void {
  if (Object.hasOwn(MANAGED, key)) {
    throw new CloudsBadOptionsError(messages.managedOption(`redis.${key}`, MANAGED[key]!));
  }
}

function checkOne(key: string, value: unknown): void {
  const path = `redis.${key}`;
  CHECKS[key]?.(path, value);
  const isText = typeof value === 'string' && value !== '';
  if (TEXTS.includes(key) && !isText) throw bad(path, 'a non-empty string', NOT_SHOWN);
}

function checkWay(redis: CloudsRedisOptions): void {
  const [first, second] = WAYS.filter((key) => redis[key] !== undefined);
  if (first !== undefined && second !== undefined) {
    throw contradiction(`redis.${first}`, `redis.${second}`, 'give one of them');
  }
  const twice = redis.url === undefined ? undefined : givenTwice(redis, new URL(redis.url));
  if (twice) throw contradiction('redis.url', `redis.${twice}`, 'give one of them');
  if (first !== undefined && first !== 'host' && redis.port !== undefined) {
    throw contradiction(`redis.${first}`, 'redis.port', 'a port goes with a host');
  }
}

function givenTwice(redis: CloudsRedisOptions, url: URL): string | undefined {
  if (redis.db !== undefined && url.pathname.length > 1) return 'db';
  if (redis.username !== undefined && url.username !== '') return 'username';
  if (redis.password !== undefined && url.password !== '') return 'password';
  return undefined;
}

function checkMaster({ name, sentinels }: CloudsRedisOptions): void {
  if (sentinels !== undefined && name === undefined) {
    throw bad('redis.name', 'the name of the master that the sentinels watch', name);
  }
  if (name !== undefined && sentinels === undefined) {
    throw bad('redis.sentinels', 'the sentinels that watch the master', sentinels);
  }
}

function checkFamily(path: string, value: unknown): void {
  if (!FAMILIES.includes(value)) throw bad(path, '4, 6, or 0 for either', value);
}

function checkSentinels(path: string, sentinels: unknown): void {
  if (!Array.isArray(sentinels) || sentinels.length === 0) {
    throw bad(path, 'a list of { host, port }', sentinels);
  }
  sentinels.forEach((sentinel: unknown, index) => {
    object(`${path}[${index}]`, sentinel);
    known(`${path}[${index}].`, sentinel as object, ['host', 'port']);
    checkHost(`${path}[${index}].host`, (sentinel as { host?: unknown }).host);
  });
}

/** A URL would be told as the host that cannot be reached, with its password. */
function checkHost(path: string, value: unknown): void {
  if (/@|:\/\//.test(String(value)))
    throw bad(path, 'a host name or address; a URL goes into "redis.url"', NOT_SHOWN);
}

function checkPath(path: string, value: unknown): void {
  if (String(value).includes('://'))
    throw bad(path, 'the path of a socket; a URL goes into "redis.url"', NOT_SHOWN);
}

const URL_EXPECTED = 'a URL that begins with redis:// or rediss://, like redis://127.0.0.1:6379/0';

/** The value is not shown: where a URL is written badly, nobody knows which part of it is the password. */
function checkUrl(path: string, value: unknown): void {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  const isRedis = url !== undefined && /^rediss?:$/.test(url.protocol) && url.hostname !== '';
  if (!isRedis || !/^(\/\d*)?$/.test(url.pathname)) {
    throw bad(path, URL_EXPECTED, value === '' ? value : NOT_SHOWN);
  }
  // ioredis takes options from the query, and they would win over what the transport relies on.
  if (url.search) throw bad(path, 'a URL without a query; give options one by one', NOT_SHOWN);
  // What stands before a "#" in a password would be taken for the port, and told as such.
  if (url.hash || !isDecodable(url))
    throw bad(path, 'a URL whose user and password are percent-encoded', NOT_SHOWN);
}

function isDecodable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
}
