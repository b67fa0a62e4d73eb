import type { TestProject } from 'vitest/node';
import { acquireRedis } from '../../tools/redis.mjs';

declare module 'vitest' {
  interface ProvidedContext {
    redisUrl: string;
  }
}

/** One Redis for all files of a tier: whichever this machine has, or a private one. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const redis = await acquireRedis({ log: (line: string) => console.error(line) });
  project.provide('redisUrl', redis.url);
  return () => redis.stop();
}
