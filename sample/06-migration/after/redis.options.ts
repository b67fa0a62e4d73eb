import type { CloudsOptions } from 'nestjs-clouds';

export const redisOptions: CloudsOptions = {
  redis: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379',
  prefix: process.env.CLOUDS_PREFIX ?? 'migration:',
};
