import { ReplyError, withRedis } from './resp.mjs';
import { assertRecent } from './version.mjs';

const PROBE_TIMEOUT_MS = 2_000;
const CLEANUP_TIMEOUT_MS = 30_000;

/**
 * The server REDIS_URL names. It was asked for, so it is used or refused, never replaced by another.
 *
 * @param {string} url
 */
export async function probeNamed(url) {
  if (!/^rediss?:$/.test(URL.canParse(url) ? new URL(url).protocol : '')) {
    throw new Error('REDIS_URL is not a redis:// or rediss:// URL. Correct it, or unset it.');
  }
  try {
    await withRedis(url, PROBE_TIMEOUT_MS, (command) => command('PING'));
  } catch (error) {
    throw new Error(
      `REDIS_URL is set to ${withoutSecrets(url)}, but that server cannot be used: ` +
        `${reasonOf(error)}. Start it, correct REDIS_URL, or unset it to use another Redis.`,
      { cause: error },
    );
  }
}

/**
 * A server nobody named: used only if it is open to everyone and recent enough.
 *
 * @param {string} url
 */
export async function probeLocal(url) {
  const info = await withRedis(url, PROBE_TIMEOUT_MS, async (command) => {
    await command('PING');
    return String(await command('INFO', 'server'));
  }).catch((error) => {
    throw new Error(`${url} cannot be used: ${reasonOf(error)}`, { cause: error });
  });
  const field = (/** @type {string} */ name) => info.match(new RegExp(`^${name}:(.*)$`, 'm'))?.[1];
  const valkey = field('valkey_version');
  assertRecent(valkey ? 'Valkey' : 'Redis', valkey ?? field('redis_version') ?? 'unknown', url);
  if (field('redis_mode')?.trim() !== 'standalone') {
    throw new Error(`${url} cannot be used: it is not a standalone server`);
  }
}

/**
 * Deletes every key that starts with `prefix`, and nothing else.
 *
 * @param {string} url
 * @param {string} prefix
 */
export async function deletePrefix(url, prefix) {
  const pattern = `${prefix.replace(/[\\*?[\]]/g, '\\$&')}*`;
  await withRedis(url, CLEANUP_TIMEOUT_MS, async (command) => {
    let cursor = '0';
    do {
      const [next, keys] = await command('SCAN', cursor, 'MATCH', pattern, 'COUNT', '1000');
      if (keys.length) await command('UNLINK', ...keys);
      cursor = String(next);
    } while (cursor !== '0');
  }).catch((error) => {
    throw new Error(
      `Could not delete the keys under ${prefix} on ${withoutSecrets(url)}: ${reasonOf(error)}`,
      { cause: error },
    );
  });
}

/** @param {string} url */
export function withoutSecrets(url) {
  const shown = new URL(url);
  if (shown.password) shown.password = '***';
  shown.search = '';
  return shown.href;
}

/** @param {any} error */
function reasonOf(error) {
  if (error instanceof ReplyError) {
    return error.code === 'NOAUTH'
      ? 'it asks for a password (NOAUTH)'
      : `it answers "${error.message}"`;
  }
  // Connecting to a name with several addresses fails with an AggregateError without a message.
  const message = error.message || error.code || String(error);
  return error.code === 'ECONNREFUSED' ? 'nothing listens there (ECONNREFUSED)' : message;
}
