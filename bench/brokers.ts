import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startPrivateRedis } from '../tools/redis.mjs';
import type { Addresses } from './peers.js';

const NATS_PORT = 4222;
const RMQ_PORT = 5672;

export interface Brokers {
  readonly addresses: Addresses;
  /** What was found and what was not, for the report. */
  readonly notes: readonly string[];
  stop(): Promise<void>;
}

/** A private Redis and a private NATS, where there are binaries; RabbitMQ only if it answers. */
export async function startBrokers(run: string): Promise<Brokers> {
  const notes: string[] = [];
  const redis = await startPrivateRedis({ log: (line: string) => console.error(line) });
  const nats = await startNats(notes);
  const rmqUrl = (await answers(RMQ_PORT)) ? `amqp://127.0.0.1:${RMQ_PORT}` : undefined;
  if (rmqUrl === undefined) notes.push(`RMQ left out: nothing answers on port ${RMQ_PORT}`);
  return {
    addresses: { redisUrl: redis.url, natsUrl: nats?.url, rmqUrl, tcpPort: await freePort(), run },
    notes,
    stop: async () => {
      await nats?.stop();
      await redis.stop();
    },
  };
}

interface Nats {
  readonly url: string;
  stop(): Promise<void>;
}

async function startNats(notes: string[]): Promise<Nats | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-nats-'));
  const port = await freePort();
  const child = spawn(
    'nats-server',
    ['-a', '127.0.0.1', '-p', String(port), '-l', join(folder, 'log')],
    {
      stdio: 'ignore',
    },
  );
  const failed = once(child, 'error').then(() => false);
  const started = await Promise.race([failed, untilAnswers(port)]);
  if (started) return { url: `nats://127.0.0.1:${port}`, stop: () => stopChild(child, folder) };
  rmSync(folder, { recursive: true });
  if (await answers(NATS_PORT)) {
    notes.push(
      'NATS: the server that runs on this machine, as there is no nats-server on the PATH',
    );
    return { url: `nats://127.0.0.1:${NATS_PORT}`, stop: () => Promise.resolve() };
  }
  notes.push('NATS left out: no nats-server on the PATH, and none answers');
  return undefined;
}

async function stopChild(child: ChildProcess, folder: string): Promise<void> {
  const exited = once(child, 'exit');
  child.kill();
  await exited;
  rmSync(folder, { recursive: true });
}

async function untilAnswers(port: number): Promise<boolean> {
  for (let i = 0; i < 100; i++) {
    if (await answers(port)) return true;
    await delay(50);
  }
  return false;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (isThere: boolean) => {
      socket.destroy();
      resolve(isThere);
    };
    socket.setTimeout(1000, () => settle(false));
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
