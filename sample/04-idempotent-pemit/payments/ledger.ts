import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Redis } from 'ioredis';
import { prefix, redisUrl } from '../clouds.options.js';
import type { Receipt } from '../payment.js';

const KEPT_SECONDS = 3600;

/** What was charged, by the id of the call: the store that all replicas share. */
@Injectable()
export class Ledger implements OnApplicationShutdown {
  private readonly key = `${prefix}ledger`;
  private readonly redis = new Redis(redisUrl);

  /**
   * Charges, unless this call has been charged before: looking and writing are one step of the store.
   * A table of a database with a unique column for the id does the same.
   */
  async chargeOnce(callId: string, receipt: Receipt): Promise<{ isNew: boolean; kept: Receipt }> {
    const isNew = (await this.redis.hsetnx(this.key, callId, JSON.stringify(receipt))) === 1;
    await this.redis.expire(this.key, KEPT_SECONDS);
    const kept = await this.redis.hget(this.key, callId);
    return { isNew, kept: JSON.parse(kept ?? '') as Receipt };
  }

  async all(): Promise<Receipt[]> {
    const texts = await this.redis.hvals(this.key);
    return texts.map((text) => JSON.parse(text) as Receipt);
  }

  onApplicationShutdown(): void {
    this.redis.disconnect();
  }
}
