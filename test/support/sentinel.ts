import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { type PrivateRedis, startPrivateRedis } from '../../tools/redis.mjs';
import { closedPort } from './fake-redis.js';
import { until } from './wait.js';

const MASTER = 'main';
const SENTINELS = 3;
const QUORUM = 2;

/** A master with a replica, and three sentinels that watch them. A master is down for them after a second. */
export class SentinelRig {
  readonly #sentinels: ChildProcess[] = [];
  readonly #admins: Redis[] = [];
  readonly ports: number[] = [];

  private constructor(
    readonly master: PrivateRedis,
    readonly replica: PrivateRedis,
    private readonly directory: string,
  ) {}

  static async start(): Promise<SentinelRig> {
    const master = await startPrivateRedis();
    const args = ['--replicaof', '127.0.0.1', String(master.port)];
    const replica = await startPrivateRedis({ args, binary: master.binary });
    const directory = await mkdtemp(path.join(tmpdir(), 'clouds-sentinel-'));
    const rig = new SentinelRig(master, replica, directory);
    try {
      await rig.#startSentinels();
      await until('the sentinels know the replica', () => rig.#knowReplica(), 20_000);
    } catch (error) {
      await rig.stop();
      throw error;
    }
    return rig;
  }

  /** The options of a node. */
  get redis() {
    return { sentinels: this.ports.map((port) => ({ host: '127.0.0.1', port })), name: MASTER };
  }

  /** Has the sentinels make the replica the master. */
  async failOver(): Promise<void> {
    await this.#admins[0]!.call('SENTINEL', 'FAILOVER', MASTER);
  }

  /** Resolves when the replica is the master, for itself. */
  async promoted(): Promise<void> {
    const replica = new Redis(this.replica.url);
    try {
      const isMaster = async () => (await replica.info('replication')).includes('role:master');
      await until('the replica is the master', isMaster, 30_000);
    } finally {
      replica.disconnect();
    }
  }

  async stop(): Promise<void> {
    for (const admin of this.#admins) admin.disconnect();
    await Promise.all(this.#sentinels.map((sentinel) => end(sentinel)));
    for (const server of [this.master, this.replica]) await server.stop('SIGKILL');
    await rm(this.directory, { recursive: true });
  }

  async #startSentinels(): Promise<void> {
    for (let i = 0; i < SENTINELS; i++) {
      const port = await closedPort();
      const file = path.join(this.directory, `${i}.conf`);
      await writeFile(file, this.#config(port));
      this.#sentinels.push(
        spawn(this.master.binary, [file, '--sentinel'], { cwd: this.directory, stdio: 'ignore' }),
      );
      this.ports.push(port);
      const admin = new Redis({ port, retryStrategy: () => 50 });
      admin.on('error', () => undefined);
      this.#admins.push(admin);
    }
  }

  #config(port: number): string {
    return [
      `port ${port}`,
      'bind 127.0.0.1',
      `sentinel monitor ${MASTER} 127.0.0.1 ${this.master.port} ${QUORUM}`,
      `sentinel down-after-milliseconds ${MASTER} 1000`,
      `sentinel failover-timeout ${MASTER} 5000`,
      '',
    ].join('\n');
  }

  async #knowReplica(): Promise<boolean> {
    for (const admin of this.#admins) {
      const [replicas, others] = [
        await admin.call('SENTINEL', 'REPLICAS', MASTER),
        await admin.call('SENTINEL', 'SENTINELS', MASTER),
      ] as unknown[][];
      if (replicas!.length !== 1 || others!.length !== SENTINELS - 1) return false;
    }
    return true;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
