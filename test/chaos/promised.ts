import { failedCalls } from './failed-calls.js';
import { FAILOVER, REFUSALS } from './faults.js';
import { FLOOD } from './flood.js';
import type { HistoryEvent } from './history.js';
import { RESTART } from './rollout.js';

/** What docs/reliability.md says of a fault. */
export interface Promised {
  /** With what the lines of its table begin that are about it. */
  readonly rows: readonly string[];
  /** How calls may fail, by those lines, beside being late. */
  readonly ends: readonly string[];
}

const LOST = 'CLOUDS_NODE_LOST';
const NO_NODE = 'CLOUDS_NO_NODE';
const DISCONNECTED = 'CLOUDS_DISCONNECTED';

/** How a call may end whatever the fault is: its time is over before that, or its node has too much to catch up with. */
const LATE: readonly string[] = ['CLOUDS_TIMEOUT', 'CLOUDS_EXPIRED', 'CLOUDS_OVERLOADED'];

const AWAY = [LOST, NO_NODE, DISCONNECTED];

const CUT: Promised = {
  rows: ["node's connection cut", "caller's connection cut"],
  ends: [LOST, NO_NODE],
};
const SLOW: Promised = { rows: ['network is slow'], ends: [] };
const REFUSED: Promised = { rows: ['Redis refuses commands'], ends: AWAY };
const FAILED_OVER: Promised = { rows: ['failover by sentinels'], ends: AWAY };

/** By the name of the fault. */
export const PROMISED: Readonly<Record<string, Promised>> = {
  'connections reset': CUT,
  'answers lost': CUT,
  'CLIENT KILL TYPE normal': CUT,
  'CLIENT KILL TYPE pubsub': CUT,
  'network stalls': { rows: ['network stalls'], ends: AWAY },
  'connects refused': { rows: ['Redis refuses connections'], ends: AWAY },
  'slices of one byte': SLOW,
  'latency with jitter': SLOW,
  'bandwidth of 256 KiB/s': SLOW,
  'host vanished': { rows: ['host of a node vanished', 'host of a caller vanished'], ends: AWAY },
  'Redis killed, back empty': { rows: ['Redis restarted, empty'], ends: AWAY },
  'Redis frozen': { rows: ['Redis frozen'], ends: [LOST, DISCONNECTED] },
  FLUSHALL: { rows: ['Redis flushed'], ends: [LOST, NO_NODE] },
  'SCRIPT FLUSH': { rows: ['Redis has lost its scripts'], ends: [] },
  'CLIENT PAUSE': { rows: ['Redis paused'], ends: [] },
  [REFUSALS.memory]: REFUSED,
  [REFUSALS.rights]: REFUSED,
  [FLOOD]: { rows: ['frozen node flooded'], ends: [LOST] },
  'node killed': { rows: ['node killed'], ends: [LOST] },
  'caller killed': { rows: ['caller killed'], ends: [] },
  [RESTART]: { rows: ['node closed'], ends: [] },
  'process frozen': { rows: ['node frozen', 'process of a caller frozen'], ends: [] },
  'event loop blocked': {
    rows: ['event loop of a node blocked for 3 s', 'process of a caller frozen'],
    ends: [],
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
    .filter(([end]) => !LATE.includes(end) && !ends.includes(end))
    .map(([end, calls]) => `not promised for ${only.name}: ${calls} ${end}`);
}
