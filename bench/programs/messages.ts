import type { Addresses } from '../peers.js';

/** What the benchmark says to a child process. Each command gets one answer. */
export type Command =
  | { kind: 'start'; peer: string; addresses: Addresses; role?: ServerRole }
  /** Answered with a `LoadResult`. */
  | { kind: 'run'; load: Load }
  /** Answered with a `Usage`. */
  | { kind: 'usage' }
  /** Waits until a server has received so many events in all; answered with how many it has. */
  | { kind: 'received'; count: number; patienceMs: number }
  /** A server forgets the work that waits. */
  | { kind: 'reset' }
  /** The program `idle` sees to it that there are so many idle nodes. */
  | { kind: 'populate'; addresses: Addresses; service: string; nodes: number };

export interface ServerRole {
  /** How long a server works on one `work` request, one after the other, in ms. */
  readonly workMs?: number;
}

/** What the data of a call is. */
export interface Payload {
  readonly bytes: number;
  /** Default: `text`. */
  readonly content?: 'text' | 'records';
}

export type Load =
  /** Calls in a closed loop: who is answered makes the next one. */
  | ({ kind: 'calls'; concurrency: number; ms: number } & Payload)
  /** As `calls`, but so many of them, and their latencies are not kept. */
  | { kind: 'soak'; concurrency: number; bytes: number; calls: number }
  /** Streams of `values` values each. */
  | { kind: 'streams'; concurrency: number; values: number; ms: number }
  /** One-way events; the next is sent when the transport says that one is sent. */
  | { kind: 'events'; concurrency: number; bytes: number; ms: number }
  /** Calls in an open loop, Poisson arrivals; those without an answer are given up `drainMs` after the last. */
  | { kind: 'arrivals'; perSecond: number; ms: number; drainMs: number }
  /** Calls that are never answered, to weigh them when all has settled; they stay out until the process ends. */
  | { kind: 'hold'; count: number; settleMs: number };

export type LoadOf<K extends Load['kind']> = Extract<Load, { kind: K }>;

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
  /** Calls of an open loop that were given up; their age then counts as their latency. */
  readonly unanswered: number;
  readonly seconds: number;
  readonly cpuUs: number;
  /** Latencies in ms: at index q the one below which q percent of them lie, the last is the longest. */
  readonly percentiles: readonly number[];
}

/** After a garbage collection, if the process was started with `--expose-gc`. */
export function usage(): Usage {
  globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return { cpuUs: user + system, rssBytes: rss, heapBytes: heapUsed };
}
