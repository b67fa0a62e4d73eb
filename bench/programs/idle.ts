import { Redis } from 'ioredis';
import { Keys } from '../../lib/protocol/keys.js';
import { cloudsPrefix } from '../peers.js';
import { serveCommands } from './child.js';
import { type Command, usage } from './messages.js';

/**
 * Below the score of a server that works, whatever the benchmark gives it to do: the script reads the idle
 * nodes as candidates, and never picks one, as they would not answer.
 */
const IDLE_SCORE = 100;
const ENTRY_TTL_MS = 3_600_000;
const PER_COMMAND = 500;

let connections: { subscriber: Redis; commands: Redis } | undefined;
let population = 0;

const nodeId = (index: number) => `idle-${index}`;
const incarnation = (index: number) => `${nodeId(index)}.1`;

/** Each has an inbox, a member in the set and an entry, as real nodes do; only heartbeats they have none. */
async function populate({ addresses, service, nodes }: Extract<Command, { kind: 'populate' }>) {
  connections ??= {
    subscriber: new Redis(addresses.redisUrl),
    commands: new Redis(addresses.redisUrl),
  };
  const keys = new Keys(cloudsPrefix(addresses));
  while (population < nodes) {
    const to = Math.min(nodes, population + PER_COMMAND);
    await add(keys, service, range(population, to));
    population = to;
  }
  while (population > nodes) {
    const from = Math.max(nodes, population - PER_COMMAND);
    await remove(keys, service, range(from, population));
    population = from;
  }
}

async function add(keys: Keys, service: string, indexes: readonly number[]): Promise<void> {
  const { subscriber, commands } = connections!;
  await subscriber.subscribe(...indexes.map((index) => keys.inbox(incarnation(index))));
  const pipeline = commands.pipeline();
  for (const index of indexes) {
    const entry = JSON.stringify({ incarnation: incarnation(index) });
    pipeline.set(keys.node(nodeId(index)), entry, 'PX', ENTRY_TTL_MS);
    pipeline.zadd(keys.service(service), IDLE_SCORE, incarnation(index));
  }
  await pipeline.exec();
}

async function remove(keys: Keys, service: string, indexes: readonly number[]): Promise<void> {
  const { subscriber, commands } = connections!;
  await commands.zrem(keys.service(service), ...indexes.map(incarnation));
  await commands.del(...indexes.map((index) => keys.node(nodeId(index))));
  await subscriber.unsubscribe(...indexes.map((index) => keys.inbox(incarnation(index))));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

serveCommands({ populate, usage });
