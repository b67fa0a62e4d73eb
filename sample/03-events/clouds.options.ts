import type { CloudsOptions } from 'nestjs-clouds';

/** The same for all: processes find each other when they share a Redis and a prefix. */
export const cloudsOptions: CloudsOptions = {
  redis: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379',
  prefix: process.env.CLOUDS_PREFIX ?? 'events:',
};
