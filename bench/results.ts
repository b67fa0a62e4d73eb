import type { Machine } from './machine.js';

/** What one round gave: figures by name. `FIGURES` says what each means. */
export type Sample = Readonly<Partial<Record<FigureName, number>>> & {
  /** Latencies in ms: at index q the one below which q percent of them lie. */
  readonly percentiles?: readonly number[];
};

export interface Figure {
  readonly heading: string;
  readonly digits: number;
}

export const FIGURES = {
  callsPerSecond: { heading: 'calls/s', digits: 0 },
  valuesPerSecond: { heading: 'values/s', digits: 0 },
  eventsPerSecond: { heading: 'events/s', digits: 0 },
  p50: { heading: 'p50 ms', digits: 3 },
  p90: { heading: 'p90 ms', digits: 3 },
  p99: { heading: 'p99 ms', digits: 3 },
  callerUs: { heading: 'caller us/call', digits: 1 },
  serverUs: { heading: 'server us/call', digits: 1 },
  redisUs: { heading: 'Redis us/call', digits: 1 },
  callerHeap: { heading: 'caller heap B/call', digits: 0 },
  serverHeap: { heading: 'server heap B/call', digits: 0 },
  callerRss: { heading: 'caller RSS MiB', digits: 1 },
  callerGrowth: { heading: 'growth MiB', digits: 1 },
  serverRss: { heading: 'server RSS MiB', digits: 1 },
  serverGrowth: { heading: 'growth MiB', digits: 1 },
  lost: { heading: 'lost', digits: 0 },
  failed: { heading: 'failed', digits: 0 },
  unanswered: { heading: 'given up', digits: 0 },
} satisfies Record<string, Figure>;

export type FigureName = keyof typeof FIGURES;

/** One line of a table: the rounds of one transport, or of one setting. */
export interface Series {
  readonly label: string;
  readonly samples: readonly Sample[];
}

/** One table: the lines were measured in turns. */
export interface Case {
  readonly title: string;
  /** What was set, for programs that read the results. */
  readonly settings: Readonly<Record<string, number>>;
  readonly figures: readonly FigureName[];
  readonly ratio: Ratio;
  readonly series: readonly Series[];
}

/** How the lines compare: in which figure, and with which line. The spread is that of the figure, too. */
export interface Ratio {
  readonly figure: FigureName;
  readonly base: string;
  /** Which of the two is divided by the other. */
  readonly kind: 'base / it' | 'it / base';
  readonly heading: string;
}

export interface MeasurementResult {
  readonly name: string;
  readonly title: string;
  readonly cases: readonly Case[];
}

export interface RunResult {
  readonly machine: Machine;
  readonly isQuick: boolean;
  readonly notes: readonly string[];
  readonly measurements: readonly MeasurementResult[];
}
