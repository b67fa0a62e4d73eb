import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { superviseServer } from '../../bench/brokers/supervised.js';
import { type PrivateRedis, startPrivateRedis } from '../../tools/redis.mjs';
import { closedPort } from './fake-redis.js';
import { until } from './wait.js';

const HOST = '127.0.0.1';
const MASTER = 'main';
const SENTINELS = 3;
const QUORUM = 2;
/** The sentinels look every second, and give an old master that is back eight before they make it a replica. */
const RETURN_MS = 40_000;

/**
 * A master with a replica, and three sentinels that watch them. A master is down for them after a second.
 * After each failover the two change places: `settled` brings the old master back.
 */
export class SentinelRig {
  readonly #admins: Redis[] = [];
  readonly #stops: (() => Promise<void>)[] = [];
  readonly ports: number[] = [];
  #isGivenUp = false;

  private constructor(
    public master: PrivateRedis,
    public replica: PrivateRedis,
    private readonly directory: string,
  ) {}

  static async start(): Promise<SentinelRig> {
    const master = await startPrivateRedis();
    const replica = await startReplica(master).catch(async (error: unknown) => {
      await master.stop();
      throw error;
    });
    const directory = await mkdtemp(path.join(tmpdir(), 'clouds-sentinel-'));
    const rig = new SentinelRig(master, replica, directory);
    try {
      await rig.#startSentinels();
      await rig.#whole(20_000);
    } catch (error) {
      await rig.stop();
      throw error;
    }
    return rig;
  }

  /** The options of a node. */
  get redis() {
    return { sentinels: this.ports.map((port) => ({ host: HOST, port })), name: MASTER };
  }

  /** Has the sentinels make the replica the master. */
  async failOver(): Promise<void> {
    await this.#admins[0]!.call('SENTINEL', 'FAILOVER', MASTER);
  }

  async killMaster(): Promise<void> {
    process.kill(this.master.pid, 'SIGKILL');
    await this.master.exited;
  }

  freezeMaster(): void {
    process.kill(this.master.pid, 'SIGSTOP');
  }

  /** Resolves when the replica is the master, for itself. */
  async promoted(): Promise<void> {
    const replica = new Redis(this.replica.url);
    // The sentinels kill the clients of a server that they promote.
    replica.on('error', () => undefined);
    try {
      const isMaster = async () => (await replica.info('replication')).includes('role:master');
      await this.#until('the replica is the master', isMaster, 30_000);
    } finally {
      replica.disconnect();
    }
  }

  /** After `promoted`: has the old master come back. Resolves when it is a replica, and there may be another failover. */
  async settled(): Promise<void> {
    [this.master, this.replica] = [this.replica, this.master];
    await this.#until('the sentinels know the new master', () => this.#know(this.#isMasterKnown));
    if (isRunning(this.replica)) process.kill(this.replica.pid, 'SIGCONT');
    else this.replica = await startReplica(this.master, this.replica.port);
    await this.#whole(RETURN_MS);
  }

  /** Ends all waiting for what the sentinels do. */
  giveUp(): void {
    this.#isGivenUp = true;
  }

  async stop(): Promise<void> {
    for (const admin of this.#admins) admin.disconnect();
    await Promise.all(this.#stops.map((stop) => stop()));
    for (const server of [this.master, this.replica]) await server.stop('SIGKILL');
    await rm(this.directory, { recursive: true });
  }

  async #startSentinels(): Promise<void> {
    for (let i = 0; i < SENTINELS; i++) {
      const port = await closedPort();
      const admin = new Redis({ port, retryStrategy: () => 50 });
      admin.on('error', () => undefined);
      this.#admins.push(admin);
      this.ports.push(port);
      await this.#startSentinel(port, admin);
    }
  }

  async #startSentinel(port: number, admin: Redis): Promise<void> {
    const file = path.join(this.directory, `${port}.conf`);
    await writeFile(file, this.#config(port));
    const command = [this.master.binary, file, '--sentinel'];
    const server = await superviseServer(command, () => answers(admin));
    if (server === undefined) throw new Error('a sentinel did not start');
    this.#stops.push(() => server.stop());
    // Of replicas they ask only every ten seconds by themselves.
    await admin.call('SENTINEL', 'DEBUG', 'INFO-PERIOD', 1000);
  }

  #config(port: number): string {
    return [
      `port ${port}`,
      `bind ${HOST}`,
      `dir ${this.directory}`,
      `sentinel monitor ${MASTER} ${HOST} ${this.master.port} ${QUORUM}`,
      `sentinel down-after-milliseconds ${MASTER} 1000`,
      // For twice as long no other failover can begin.
      `sentinel failover-timeout ${MASTER} 3000`,
      '',
    ].join('\n');
  }

  /** Resolves when all servers are in their places, and all sentinels know it. */
  async #whole(limitMs: number): Promise<void> {
    const isWhole = async () =>
      (await this.#know(this.#isMasterKnown)) && (await this.#know(this.#isReplicaKnown));
    await this.#until('all sentinels know master and replica', isWhole, limitMs);
  }

  async #until(what: string, condition: () => Promise<boolean>, limitMs?: number): Promise<void> {
    const check = () => {
      if (this.#isGivenUp) throw new Error(`nobody waits any more until ${what}`);
      return condition();
    };
    await until(what, check, limitMs);
  }

  /** Whether it holds for every sentinel. */
  async #know(what: (admin: Redis) => Promise<boolean>): Promise<boolean> {
    return (await Promise.all(this.#admins.map(what))).every(Boolean);
  }

  readonly #isMasterKnown = async (admin: Redis): Promise<boolean> => {
    const { port, flags, 'num-other-sentinels': others } = await ask(admin, 'MASTER');
    return Number(port) === this.master.port && flags === 'master' && Number(others) === 2;
  };

  readonly #isReplicaKnown = async (admin: Redis): Promise<boolean> => {
    const [flat, ...more] = (await admin.call('SENTINEL', 'REPLICAS', MASTER)) as string[][];
    if (flat === undefined || more.length > 0) return false;
    const known = fieldsOf(flat);
    return (
      Number(known.port) === this.replica.port &&
      known.flags === 'slave' &&
      known['role-reported'] === 'slave' &&
      known['master-link-status'] === 'ok' &&
      Number(known['master-port']) === this.master.port
    );
  };
}

function startReplica({ port, binary }: PrivateRedis, own?: number): Promise<PrivateRedis> {
  return startPrivateRedis({ args: ['--replicaof', HOST, String(port)], binary, port: own });
}

function isRunning({ process: { exitCode, signalCode } }: PrivateRedis): boolean {
  return exitCode === null && signalCode === null;
}

async function answers(admin: Redis): Promise<boolean> {
  return admin.status === 'ready' && (await admin.ping()) === 'PONG';
}

async function ask(admin: Redis, what: string): Promise<Record<string, string>> {
  return fieldsOf((await admin.call('SENTINEL', what, MASTER)) as string[]);
}

/** Sentinels answer with names and values in turn. */
function fieldsOf(flat: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i < flat.length; i += 2) fields[flat[i]!] = flat[i + 1]!;
  return fields;
}
