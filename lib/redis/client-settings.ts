import type { RedisOptions } from 'ioredis';
import { SECOND } from '../common/durations.js';
import type { CloudsRedisOptions } from '../common/options.js';

const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 500;
const RETRY_JITTER_MS = 100;

/** ioredis waits up to 5 s between attempts by default, which would be 5 s of a deaf node. */
export function retryDelayMs(attempt: number): number {
  const backoff = Math.min(FIRST_RETRY_MS * 2 ** attempt, LONGEST_RETRY_MS);
  return backoff + Math.random() * RETRY_JITTER_MS;
}

/** Where Redis is and how to get in, as the user says. */
export function connectionSettings({
  url: _url,
  tls,
  sentinels,
  ...redis
}: CloudsRedisOptions): RedisOptions {
  return {
    connectTimeout: 2 * SECOND,
    keepAlive: 5 * SECOND,
    connectionName: 'clouds',
    ...withoutUndefined(redis),
    ...(tls && { tls }),
    ...(sentinels && {
      sentinels: sentinels.map((sentinel) => ({ ...sentinel })),
      failoverDetector: true,
    }),
    retryStrategy: retryDelayMs,
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
  };
}

/** The same, with what the protocol relies on. */
export function clientSettings(options: CloudsRedisOptions): RedisOptions {
  return {
    ...connectionSettings(options),
    protocol: 3,
    replyMapping: 'legacy',
    lazyConnect: true,
    // The driver holds the process for so long after the end, also when the socket is closed already.
    disconnectTimeout: 100,
    // A failed SUBSCRIBE of ioredis's own would be an unhandled rejection, and leave us deaf.
    autoResubscribe: false,
    // With these two, a cut rejects what was out at once: we resend it ourselves, under the fence.
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    enableAutoPipelining: false,
  };
}

/** Where the options point to, for messages; without the password. */
export function addressOf({ url, path, host, port, sentinels, name }: CloudsRedisOptions): string {
  if (url !== undefined) return withoutCredentials(new URL(url));
  if (path !== undefined) return path;
  if (sentinels !== undefined) return `master "${name}" of ${sentinels.length} sentinels`;
  return `${host ?? '127.0.0.1'}:${port ?? 6379}`;
}

function withoutCredentials({ protocol, username, password, host, pathname }: URL): string {
  const credentials = username || password ? '***@' : '';
  return `${protocol}//${credentials}${host}${pathname}`;
}

/** An option that is there but undefined must not overwrite a default. */
function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as T;
}
