import { messages } from '../common/messages.js';
import { roomMessage } from '../protocol/encode.js';
import type { Keys } from '../protocol/keys.js';
import { isRedisReply, type RedisPort } from '../redis/link.js';
import type { PointCount } from './points.js';

/** More than this are told by those who were: each tells the next if there is room left. */
const MAX_TOLD = 32;
const NOBODY = '';

/** Tells callers that wait for room that there is some. Who is not told finds out by itself, but later. */
export class RoomNotices {
  constructor(
    private readonly redis: Pick<RedisPort, 'run'>,
    private readonly keys: Keys,
    private readonly address: { readonly incarnation: string },
    private readonly onError: (error: Error) => void,
  ) {}

  /** So many points of a service that somebody waits for were given back. */
  async onFreed(points: PointCount, count: number): Promise<void> {
    const { waitMarks } = points;
    const inLine = await this.#tell(points.service, NOBODY, Math.min(count, MAX_TOLD));
    // Another request may have said meanwhile that somebody waits.
    if (inLine === 0 && points.waitMarks === waitMarks) points.waitMarks = 0;
  }

  /** No call of this process waits for the service any more: whose turn is next may have waited for that. */
  async leave(service: string): Promise<void> {
    await this.#tell(service, this.address.incarnation, 1);
  }

  async #tell(service: string, leaving: string, count: number): Promise<number | undefined> {
    const { incarnation } = this.address;
    const keys = [this.keys.service(service), this.keys.line(service)];
    const message = roomMessage(incarnation, service);
    try {
      const args = [this.keys.inboxPrefix, message, leaving, count];
      return Number(await this.redis.run('room', keys, args));
    } catch (error) {
      // Who was cut off need not tell: places in line end by themselves.
      if (isRedisReply(error)) this.onError(new Error(messages.roomRefused(error.message)));
      return undefined;
    }
  }
}
