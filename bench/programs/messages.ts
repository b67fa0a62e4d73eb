import type { Addresses } from '../peers.js';

/** What the benchmark says to a child process. Each command gets one answer. */
export type Command =
  | { kind: 'start'; peer: string; addresses: Addresses; role?: ServerRole }
  | { kind: 'run'; load: Load }
  | { kind: 'usage' }
  | { kind: 'count' }
  | { kind: 'stop' };

export interface ServerRole {
  /** How long a server works on one `work` request, one after the other, in ms. */
  readonly workMs?: number;
}

export type Load =
  /** Calls in a closed loop. */
  | { kind: 'calls'; concurrency: number; bytes: number; ms: number }
  /** Streams of `values` values each, one after the other. */
  | { kind: 'streams'; values: number; ms: number }
  /** One-way events. */
  | { kind: 'events'; count: number; bytes: number }
  /** Calls in an open loop, Poisson arrivals. */
  | { kind: 'arrivals'; perSecond: number; ms: number }
  /** Calls that are held open, to weigh them. */
  | { kind: 'held'; count: number };

export interface Usage {
  /** CPU time of the process so far, user and system, in microseconds. */
  readonly cpuUs: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
}

export interface LoadResult {
  /** Calls answered, values received, or events sent. */
  readonly done: number;
  readonly failed: number;
  readonly seconds: number;
  /** Latencies in ms. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly cpuUs: number;
  /** Heap per call in flight, for `held`. */
  readonly heapPerCall?: number;
}

export function usage(): Usage {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return { cpuUs: user + system, rssBytes: rss, heapBytes: heapUsed };
}
