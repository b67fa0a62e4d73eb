import type { Keys } from '../protocol/keys.js';
import type { RedisPort } from '../redis/link.js';

/**
 * Which of these incarnations have no inbox. If Redis refuses to say, nobody is taken for absent.
 * @throws when the connection is cut before it has answered.
 */
export async function absentOf(
  redis: RedisPort,
  keys: Keys,
  incarnations: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const inboxes = [...incarnations].map((one) => keys.inbox(one));
  const [answer] = await redis.pipeline([['pubsub', 'numsub', ...inboxes]]);
  if (answer?.error) return new Set();
  const counts = answer!.value as (string | number)[];
  return new Set([...incarnations].filter((_, index) => Number(counts[2 * index + 1]) === 0));
}
