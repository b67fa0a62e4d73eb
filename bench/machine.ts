import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import os from 'node:os';
import type { Brokers } from './brokers/brokers.js';
import type { RedisGauge } from './redis-gauge.js';

const PACKAGES = [
  '@nestjs/microservices',
  'ioredis',
  '@nats-io/transport-node',
  'amqplib',
  'amqp-connection-manager',
];

/** What it was measured on; nothing that names the machine or its owner. */
export interface Machine {
  readonly date: string;
  readonly commit: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly os: string;
  readonly versions: Readonly<Record<string, string>>;
}

export async function describeMachine(brokers: Brokers, gauge: RedisGauge): Promise<Machine> {
  const cpus = os.cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commit(),
    cpu: cpus[0]?.model ?? 'unknown',
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    os: `${distribution()}, ${os.type()} ${os.release()} ${os.arch()}`,
    versions: {
      node: process.versions.node,
      redis: await gauge.version(),
      ...(brokers.natsUrl && { nats: await natsVersion(brokers.natsUrl) }),
      ...(brokers.rmqUrl && { rabbitmq: await rabbitVersion(brokers.rmqUrl) }),
      ...Object.fromEntries(PACKAGES.map((name) => [name, packageVersion(name)])),
    },
  };
}

function commit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return git('describe', '--always', '--dirty');
  } catch {
    return 'unknown';
  }
}

function distribution(): string {
  const file = '/etc/os-release';
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return /^PRETTY_NAME="?([^"\n]+)/m.exec(text)?.[1] ?? os.platform();
}

function packageVersion(name: string): string {
  const text = readFileSync(`node_modules/${name}/package.json`, 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The first thing that NATS says is who it is. */
async function natsVersion(url: string): Promise<string> {
  const socket = connectTcp(Number(new URL(url).port), '127.0.0.1');
  const [greeting] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return /"version":"([^"]+)"/.exec(greeting.toString())?.[1] ?? 'unknown';
}

async function rabbitVersion(url: string): Promise<string> {
  const { connect } = await import('amqplib');
  const connection = await connect(url);
  const { version } = connection.connection.serverProperties;
  await connection.close();
  return version;
}
