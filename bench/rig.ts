import type { Addresses, Peer } from './peers.js';
import { Worker } from './process.js';
import type { Load, LoadResult, ServerRole, Usage } from './programs/messages.js';
import type { RedisGauge } from './redis-gauge.js';

/** Which processes a measurement needs of each transport. */
export interface RigPlan {
  readonly callers: number;
  readonly servers: readonly ServerRole[];
  readonly execArgv: readonly string[];
}

/** What one load was and cost, all processes of a kind together. */
export interface Outcome {
  readonly perSecond: number;
  readonly failed: number;
  readonly unanswered: number;
  readonly callerUs: number;
  readonly serverUs: number;
  /** Of transports that use Redis. */
  readonly redisUs?: number;
  /** Of the first caller. */
  readonly percentiles: readonly number[];
}

/** The servers and callers of one transport, each in a process of its own. */
export class Rig {
  readonly servers: readonly Worker[];
  readonly callers: readonly Worker[];

  constructor(
    readonly peer: Peer,
    readonly plan: RigPlan,
    readonly addresses: Addresses,
    private readonly gauge: RedisGauge,
  ) {
    this.servers = plan.servers.map(() => new Worker('server', plan.execArgv));
    this.callers = Array.from({ length: plan.callers }, () => new Worker('caller', plan.execArgv));
  }

  async start(): Promise<void> {
    const { addresses, plan, peer } = this;
    const command = { kind: 'start', peer: peer.name, addresses } as const;
    await Promise.all(
      this.servers.map((server, index) => server.ask({ ...command, role: plan.servers[index]! })),
    );
    await Promise.all(this.callers.map((caller) => caller.ask(command)));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.servers, ...this.callers].map((worker) => worker.stop()));
  }

  /** Gives the load to every caller. A transport that is two halves gets it twice, and is as fast as the slower one. */
  async run(load: Load): Promise<Outcome> {
    const redisBefore = await this.gauge.cpuUs();
    const serversBefore = await this.serverUsage();
    const [callers, servers] = await Promise.all([
      ask(this.callers, load),
      this.peer.feedsItself ? ask(this.servers, forServer(load, this.callers.length)) : [],
    ]);
    const serversAfter = await this.serverUsage();
    const redisAfter = await this.gauge.cpuUs();
    const done = sum(callers, (one) => one.done);
    const served = this.peer.feedsItself ? sum(servers, (one) => one.done) : done;
    const rates = [callers, servers].filter((half) => half.length > 0).map(rateOf);
    return {
      perSecond: Math.min(...rates),
      failed: sum(callers, (one) => one.failed),
      unanswered: sum(callers, (one) => one.unanswered),
      callerUs: sum(callers, (one) => one.cpuUs) / done,
      serverUs: (serversAfter.cpuUs - serversBefore.cpuUs) / served,
      redisUs: this.peer.usesRedis ? (redisAfter - redisBefore) / done : undefined,
      percentiles: callers[0]!.percentiles,
    };
  }

  serverUsage(): Promise<Usage> {
    return usageOf(this.servers);
  }

  callerUsage(): Promise<Usage> {
    return usageOf(this.callers);
  }
}

function ask(workers: readonly Worker[], load: Load): Promise<LoadResult[]> {
  return Promise.all(workers.map((worker) => worker.ask<LoadResult>({ kind: 'run', load })));
}

/** A server has the calls of all callers in flight. */
function forServer(load: Load, callers: number): Load {
  return 'concurrency' in load ? { ...load, concurrency: load.concurrency * callers } : load;
}

function rateOf(results: readonly LoadResult[]): number {
  return sum(results, ({ done, seconds }) => done / seconds);
}

async function usageOf(workers: readonly Worker[]): Promise<Usage> {
  const usages = await Promise.all(workers.map((worker) => worker.ask<Usage>({ kind: 'usage' })));
  return {
    cpuUs: sum(usages, (one) => one.cpuUs),
    rssBytes: sum(usages, (one) => one.rssBytes),
    heapBytes: sum(usages, (one) => one.heapBytes),
  };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
