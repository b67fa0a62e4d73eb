import { CloudsBadOptionsError } from '../common/errors.js';
import { messages } from '../common/messages.js';

const OLDEST_REDIS = [7, 0] as const;
const OLDEST_VALKEY = [7, 2] as const;
/** Before it `CLIENT REPLY SKIP` also kept back what others published (redis/redis#11875). */
const OLDEST_QUIET_REDIS = [7, 0, 10] as const;

/**
 * Checks the reply to `INFO server`. Valkey reports a compatible Redis version beside its own.
 * @throws CloudsBadOptionsError if the server is older than Redis 7.0 or Valkey 7.2.
 */
export function checkServerVersion(info: string, address: string): void {
  const valkey = field(info, 'valkey_version');
  const redis = field(info, 'redis_version');
  const [name, version, oldest] = valkey
    ? ['Valkey', valkey, OLDEST_VALKEY]
    : ['Redis', redis, OLDEST_REDIS];
  if (version !== undefined && isOlder(version, oldest)) {
    throw new CloudsBadOptionsError(messages.serverTooOld(address, `${name} ${version}`));
  }
}

/** Whether the server of this `INFO server` can be told to keep an answer to itself, and nothing else. */
export function canSkipAnswers(info: string): boolean {
  const version = field(info, 'redis_version');
  return version !== undefined && !isOlder(version, OLDEST_QUIET_REDIS);
}

/**
 * Of `INFO server replication`. One that was a replica for a while is not the same any more, although it never
 * ended: it has taken over the data of its master, and what had not got there before is lost.
 */
export function serverIdOf(info: string): string | undefined {
  const run = field(info, 'run_id');
  return run && `${run}/${field(info, 'master_replid')}`;
}

function field(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1];
}

function isOlder(version: string, oldest: readonly number[]): boolean {
  const parts = version.split('.').map(Number);
  const index = oldest.findIndex((part, i) => (parts[i] ?? 0) !== part);
  return index !== -1 && (parts[index] ?? 0) < oldest[index]!;
}
