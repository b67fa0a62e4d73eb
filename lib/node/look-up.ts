import { nodeIdOf } from '../protocol/ids.js';
import type { Keys } from '../protocol/keys.js';
import type { RedisPort } from '../redis/link.js';

const CHANNELS_PER_COMMAND = 500;

/** What Redis knows of an incarnation. */
export interface Sighting {
  readonly incarnation: string;
  readonly hasInbox: boolean;
  /** The incarnation that the node's entry names; undefined without an entry. */
  readonly present: string | undefined;
}

/** Asks Redis about incarnations. Rejects when the connection breaks or Redis refuses. */
export async function lookUp(
  redis: RedisPort,
  keys: Keys,
  incarnations: readonly string[],
): Promise<Sighting[]> {
  const sightings: Sighting[] = [];
  for (let first = 0; first < incarnations.length; first += CHANNELS_PER_COMMAND) {
    const some = incarnations.slice(first, first + CHANNELS_PER_COMMAND);
    sightings.push(...(await lookUpSome(redis, keys, some)));
  }
  return sightings;
}

async function lookUpSome(
  redis: RedisPort,
  keys: Keys,
  incarnations: string[],
): Promise<Sighting[]> {
  const [numsub, entries] = await redis.pipeline([
    ['pubsub', 'NUMSUB', ...incarnations.map((incarnation) => keys.inbox(incarnation))],
    ['mget', ...incarnations.map((incarnation) => keys.node(nodeIdOf(incarnation)))],
  ]);
  const refused = numsub?.error ?? entries?.error;
  if (refused) throw refused;
  // NUMSUB answers channel, count, channel, count.
  const counts = numsub!.value as unknown[];
  const found = entries!.value as unknown[];
  return incarnations.map((incarnation, index) => ({
    incarnation,
    hasInbox: Number(counts[2 * index + 1]) > 0,
    present: readEntry(found[index], incarnation),
  }));
}

/** An entry that cannot be read was written by another kind of node: it is there, so its node is. */
function readEntry(entry: unknown, incarnation: string): string | undefined {
  if (typeof entry !== 'string') return undefined;
  return /"incarnation"\s*:\s*"([^"]+)"/.exec(entry)?.[1] ?? incarnation;
}
