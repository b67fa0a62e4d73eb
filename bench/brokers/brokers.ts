import { startPrivateRedis } from '../../tools/redis.mjs';
import { startNats } from './nats.js';
import { startRabbit } from './rabbit.js';

export interface Broker {
  readonly url: string;
  stop(): Promise<void>;
}

export interface Brokers {
  readonly redisUrl: string;
  readonly natsUrl: string | undefined;
  readonly rmqUrl: string | undefined;
  /** What was found and what was not, for the report. */
  readonly notes: readonly string[];
  stop(): Promise<void>;
}

/** A private Redis always; NATS and RabbitMQ where there is a binary or one that answers. */
export async function startBrokers(log: (line: string) => void): Promise<Brokers> {
  const notes: string[] = [];
  const note = (line: string) => void notes.push(line);
  const redis = await startPrivateRedis({ log });
  const started: Broker[] = [redis];
  const stop = async () => {
    await Promise.all(started.map((broker) => broker.stop()));
  };
  try {
    const nats = await startNats(note);
    if (nats) started.push(nats);
    const rabbit = await startRabbit(note);
    if (rabbit) started.push(rabbit);
    return { redisUrl: redis.url, natsUrl: nats?.url, rmqUrl: rabbit?.url, notes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
