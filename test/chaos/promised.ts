import { failedCalls } from './failed-calls.js';
import { FAILOVER, REFUSALS } from './faults.js';
import { FLOOD } from './flood.js';
import type { HistoryEvent } from './history.js';
import { RESTART } from './rollout.js';

/** What docs/reliability.md says of a fault. */
export interface Promised {
  /** With what the lines of its table begin that are about it. */
  readonly rows: readonly string[];
  /** How calls may fail, by those lines. */
  readonly ends: readonly string[];
}

const LOST = 'CLOUDS_NODE_LOST';
const TIMEOUT = 'CLOUDS_TIMEOUT';
const EXPIRED = 'CLOUDS_EXPIRED';
const DISCONNECTED = 'CLOUDS_DISCONNECTED';

const CUT: Promised = {
  rows: ["node's connection cut", "caller's connection cut"],
  ends: [LOST],
};
const SLOW: Promised = { rows: ['network is slow'], ends: [TIMEOUT] };
const REFUSED: Promised = { rows: ['Redis refuses commands'], ends: [DISCONNECTED, TIMEOUT] };
const FAILED_OVER: Promised = {
  rows: ['failover by sentinels'],
  ends: [LOST, TIMEOUT, DISCONNECTED],
};

/** By the name of the fault. */
export const PROMISED: Readonly<Record<string, Promised>> = {
  'connections reset': CUT,
  'answers lost': CUT,
  'CLIENT KILL TYPE normal': CUT,
  'CLIENT KILL TYPE pubsub': CUT,
  'network stalls': { rows: ['network stalls'], ends: [TIMEOUT] },
  'connects refused': { rows: ['Redis refuses connections'], ends: [] },
  'slices of one byte': SLOW,
  'latency with jitter': SLOW,
  'bandwidth of 256 KiB/s': SLOW,
  'host vanished': { rows: ['host of a node vanished'], ends: [TIMEOUT] },
  'Redis killed, back empty': { rows: ['Redis restarted, empty'], ends: [LOST] },
  'Redis frozen': { rows: ['Redis frozen'], ends: [LOST] },
  FLUSHALL: { rows: ['Redis flushed'], ends: [LOST] },
  'SCRIPT FLUSH': { rows: ['Redis has lost its scripts'], ends: [] },
  'CLIENT PAUSE': { rows: ['Redis paused'], ends: [TIMEOUT] },
  [REFUSALS.memory]: REFUSED,
  [REFUSALS.rights]: REFUSED,
  [FLOOD]: { rows: ['frozen node flooded'], ends: [LOST, TIMEOUT] },
  'node killed': { rows: ['node killed'], ends: [LOST] },
  'caller killed': { rows: ['caller killed'], ends: [] },
  [RESTART]: { rows: ['node closed'], ends: [] },
  'process frozen': { rows: ['node frozen', 'process of a caller frozen'], ends: [TIMEOUT] },
  'event loop blocked': {
    rows: ['event loop of a node blocked for 3 s', 'process of a caller frozen'],
    ends: [TIMEOUT, EXPIRED],
  },
  [`${FAILOVER}, planned`]: FAILED_OVER,
  [`${FAILOVER} of a master that was killed`]: FAILED_OVER,
  [`${FAILOVER} of a master that is frozen`]: FAILED_OVER,
};

/** Says how calls have failed that a fault which strikes alone is not said to fail. */
export function unpromisedEnds(
  faults: readonly { readonly name: string }[],
  history: readonly HistoryEvent[],
  limited: ReadonlySet<string>,
): string[] {
  const [only] = faults;
  if (only === undefined || faults.length > 1) return [];
  const ends = PROMISED[only.name]?.ends ?? [];
  return Object.entries(failedCalls(history, limited))
    .filter(([end]) => !ends.includes(end))
    .map(([end, calls]) => `not promised for ${only.name}: ${calls} ${end}`);
}
