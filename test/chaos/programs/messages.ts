import type { CloudsOptions } from '../../../lib/index.js';
import type { Counts } from './tally.js';

/** What a process of the chaos is told at its start. */
export interface WorkerPlan {
  /** Names the process in the history; no two have the same, nor one that came before. */
  readonly name: string;
  readonly seed: number;
  readonly options: CloudsOptions;
  /** Left out: what happens is not noted. */
  readonly historyFile?: string;
  /** The services that it serves, by name, with their capacity if they have one. */
  readonly services: Readonly<Record<string, { capacity?: number }>>;
  /** The groups for which it gets what is published. */
  readonly groups: readonly string[];
  /** The services that it calls. */
  readonly targets: readonly string[];
  readonly callsPerSecond: number;
  /** Whether it leaves some of its calls before they have ended; default false. */
  readonly leaves?: boolean;
  /** Whether its calls wait for so long that only what was lost times out, and not what is slow; default false. */
  readonly isPatient?: boolean;
  /** What each call costs its node; left out: calls of all kinds. */
  readonly cost?: Cost;
  /** The timeout of each call of those; left out: between 500 and 1500 ms. */
  readonly timeoutMs?: number;
}

/** So many ms of the processor, or of one of a few connections that a node has. */
export type Cost = { readonly busyMs: number } | { readonly pooledMs: number };

/** The event that is published. */
export const EVENT = 'news';

/** What it can be asked. */
export type Order =
  /** Its event loop stands still for so long. */
  | { readonly kind: 'block'; readonly ms: number }
  /** From now on it makes so many calls, but has not more than so many out at the same time. */
  | { readonly kind: 'rate'; readonly callsPerSecond: number; readonly mostOut?: number }
  /** It says what it uses, and what became of its calls since it was last asked. */
  | { readonly kind: 'report' }
  /** It makes no more calls; answers when all have ended. */
  | { readonly kind: 'finish' };

/** What it says. */
export type Word =
  | { readonly kind: 'ready'; readonly nodeId: string }
  | { readonly kind: 'finished' }
  | ({ readonly kind: 'report' } & Report);

export interface Report extends Counts {
  readonly rssMiB: number;
  /** After a collection. */
  readonly heapMiB: number;
  /** Timers, sockets and whatever else keeps a process alive. */
  readonly handles: number;
  /** Requests that its handlers have not settled. */
  readonly running: number;
}

/** The data of a call. */
export interface Work {
  readonly key: string;
  /** How long the handler takes. */
  readonly ms: number;
  /** How long it keeps the processor. */
  readonly busyMs: number;
  /** How long it needs one of the few connections of its node. */
  readonly pooledMs: number;
  readonly fails: boolean;
  /** How many values a stream has. */
  readonly values: number;
  /** Comes back as it is. */
  readonly text: string;
}

export interface Answer {
  readonly key: string;
  /** The process that has answered. */
  readonly by: string;
  readonly text: string;
}
