import type { RedisOptions } from 'ioredis';
import { SECOND } from '../common/durations.js';
import type { CloudsRedisOptions } from '../common/options.js';

const DEFAULT_HOST = '127.0.0.1';
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 500;
const RETRY_JITTER_MS = 100;

/**
 * ioredis waits up to 5 s between attempts by default, which would be 5 s of a deaf node. Can go when it waits
 * half a second at most.
 */
export function retryDelayMs(attempt: number): number {
  const backoff = Math.min(FIRST_RETRY_MS * 2 ** attempt, LONGEST_RETRY_MS);
  return backoff + Math.random() * RETRY_JITTER_MS;
}

/** Where Redis is and how to get in, as the user says. */
export function connectionSettings({
  url,
  tls,
  sentinels,
  ...redis
}: CloudsRedisOptions): RedisOptions {
  return {
    connectTimeout: 2 * SECOND,
    keepAlive: 5 * SECOND,
    connectionName: 'clouds',
    // By default ioredis takes `localhost`, which may be ::1 first.
    ...(url === undefined && { host: DEFAULT_HOST }),
    ...withoutUndefined(redis),
    ...(tls && { tls }),
    ...(sentinels && {
      sentinels: sentinels.map((sentinel) => ({ ...sentinel })),
      // A frozen master closes nothing, so that ioredis would stay with it. Can go when this is its default.
      failoverDetector: true,
    }),
    retryStrategy: retryDelayMs,
    // ioredis stays with a master that has become a replica; with 2 for 1 it would ask that again and again.
    // Can go when it leaves by itself.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
  };
}

/** The same, with what the protocol relies on. */
export function clientSettings(options: CloudsRedisOptions): RedisOptions {
  return {
    ...connectionSettings(options),
    protocol: 3,
    // ioredis 6.0.0 rounds RESP3 doubles; as text they are exact. Its default, set so that another default cannot
    // bite. Can go when it reads them as `Number()` does.
    replyMapping: 'legacy',
    lazyConnect: true,
    // ioredis holds the process for so long after the end, also when the socket is closed already.
    // Can go when it does so for an open one only.
    disconnectTimeout: 100,
    // A failed SUBSCRIBE of ioredis's own would be an unhandled rejection, and leave us deaf. Stays when that
    // is mended: each connection has an inbox of its own, and the last one must not be heard any more.
    autoResubscribe: false,
    // With these two, a cut rejects what was out at once: we ask Redis what has become of it. By default
    // ioredis resends it, and without `autoResendUnfulfilledCommands` it never settles. The first can go when
    // that option rejects; the second stays, as what waits for a connection is the dispatcher's.
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    // Stays: we write once per turn by ourselves, and it would keep one pipeline out at a time.
    enableAutoPipelining: false,
    // No `socketTimeout`, which runs only while an answer is due: a deaf inbox is found by the heartbeat.
  };
}

/** Where the options point to, for messages; without the password. */
export function addressOf({ url, path, host, port, sentinels, name }: CloudsRedisOptions): string {
  if (url !== undefined) return withoutCredentials(new URL(url));
  if (path !== undefined) return path;
  if (sentinels !== undefined) return `master "${name}" of ${sentinels.length} sentinels`;
  return `${host ?? DEFAULT_HOST}:${port ?? 6379}`;
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
