import type { RedisOptions } from '@nestjs/microservices';

const url = new URL(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');

export const redisOptions: RedisOptions['options'] = {
  host: url.hostname,
  port: Number(url.port || 6379),
  username: decodeURIComponent(url.username) || undefined,
  password: decodeURIComponent(url.password) || undefined,
  tls: url.protocol === 'rediss:' ? {} : undefined,
};
