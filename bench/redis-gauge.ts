import { Redis } from 'ioredis';

/** Reads how much CPU time the private Redis has used. */
export class RedisGauge {
  readonly #redis: Redis;

  constructor(url: string) {
    this.#redis = new Redis(url);
  }

  /** User and system, since its start, in microseconds. */
  async cpuUs(): Promise<number> {
    const info = await this.#redis.info('cpu');
    return 1e6 * (field(info, 'used_cpu_user') + field(info, 'used_cpu_sys'));
  }

  async version(): Promise<string> {
    const info = await this.#redis.info('server');
    const valkey = /^valkey_version:(\S+)/m.exec(info);
    return valkey ? `Valkey ${valkey[1]}` : `Redis ${/^redis_version:(\S+)/m.exec(info)?.[1]}`;
  }

  close(): void {
    this.#redis.disconnect();
  }
}

function field(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]);
}
