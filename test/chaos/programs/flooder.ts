import { Redis } from 'ioredis';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
/** How many frames of how many bytes, smaller ones first. Redis drops a subscriber for which 32 MiB wait. */
const FRAMES: readonly (readonly [count: number, bytes: number])[] = [
  [1000, 1],
  [1000, KIBIBYTE],
  [16, MEBIBYTE],
  [2, 8 * MEBIBYTE],
  [1, 31 * MEBIBYTE],
  [1, 40 * MEBIBYTE],
];

/** Sends to an inbox what is not even JSON, until nobody listens there any more. */
async function flood(redis: Redis, inbox: string): Promise<void> {
  for (const [count, bytes] of FRAMES) {
    const frame = Buffer.alloc(bytes, '[');
    const published = Array.from({ length: count }, () => redis.publish(inbox, frame));
    if ((await Promise.all(published)).includes(0)) return;
  }
}

const [url, inbox] = process.argv.slice(2);
const redis = new Redis(url!, { retryStrategy: () => null });
// Another fault may take Redis away meanwhile; that is no failure of this one.
redis.on('error', () => undefined);
await flood(redis, inbox!).catch(() => undefined);
redis.disconnect();
