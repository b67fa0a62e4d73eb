import type { CloudsOptions } from 'nestjs-clouds';

export const cloudsOptions: CloudsOptions = {
  redis: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379',
  prefix: process.env.CLOUDS_PREFIX ?? 'gateway:',
  // Small enough to be seen in a sample: see http/visits.ts.
  service: { callbackTimeout: 500, noNodeGrace: 200 },
  maxPayload: 1_024,
};
