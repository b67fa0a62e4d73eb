import { CloudsBadOptionsError } from '../common/errors.js';
import { messages } from '../common/messages.js';

const OLDEST_REDIS = [7, 0] as const;
const OLDEST_VALKEY = [7, 2] as const;

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

function field(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1];
}

function isOlder(version: string, [oldestMajor, oldestMinor]: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}
