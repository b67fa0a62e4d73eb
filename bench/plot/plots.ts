import type { Case, RunResult, Series } from '../results.js';
import { median } from '../stats.js';
import { decades, linearAxis, logAxis } from './axes.js';
import { type Axis, type Line, svgOf } from './svg.js';

/** What is drawn, and where the drawings are. */
export const RESULTS_FILE = 'bench/results/full.json';
export const IMAGES = 'docs/img';

const PERCENTS = [0, 10, 25, 50, 75, 90, 99];

/** The plots of a run by file name. */
export function drawPlots(result: RunResult): Map<string, string> {
  return new Map([
    ['throughput.svg', drawThroughput(result)],
    ['slow-replica.svg', drawSlowReplica(result)],
  ]);
}

function drawThroughput(result: RunResult): string {
  const cases = casesOf(result, 'concurrency');
  const inFlight = cases.map(({ settings }) => settings.concurrency!);
  const lines = cases[0]!.series.map(({ label }) => ({
    label,
    points: cases.map((one) => [one.settings.concurrency!, callsPerSecond(one, label)] as const),
  }));
  return svgOf({
    title: 'Calls per second over calls in flight',
    subtitle: `one caller, one server, ${cases[0]!.settings.bytes} bytes there and back; medians`,
    x: logAxis('calls in flight', inFlight),
    y: linearAxis('calls per second', Math.max(...valuesOf(lines))),
    lines,
  });
}

function drawSlowReplica(result: RunResult): string {
  const [one] = casesOf(result, 'slow-replica');
  const lines = one!.series.map(quantileLine);
  return svgOf({
    title: 'Latency when one of four replicas is ten times slower',
    subtitle: one!.title,
    x: percentAxis(),
    y: logAxis('latency, ms', decades(valuesOf(lines))),
    lines,
  });
}

/** Up to p99: beyond it are too few calls. */
function quantileLine({ label, samples }: Series): Line {
  const points = Array.from({ length: 100 }, (_, percent) => {
    const rounds = samples.map(({ percentiles }) => percentiles![percent]!);
    return [percent, median(rounds)] as const;
  });
  return { label, points };
}

function percentAxis(): Axis {
  return {
    label: 'percentile of the calls',
    ticks: PERCENTS.map((at) => ({ at, text: `p${at}` })),
    place: (percent) => percent / 99,
  };
}

function casesOf({ measurements }: RunResult, name: string): readonly Case[] {
  const found = measurements.find((one) => one.name === name);
  if (!found) throw new Error(`The results have no measurement "${name}"`);
  return found.cases;
}

function callsPerSecond({ series }: Case, label: string): number {
  const { samples } = series.find((one) => one.label === label)!;
  return median(samples.map((sample) => sample.callsPerSecond!));
}

function valuesOf(lines: readonly Line[]): number[] {
  return lines.flatMap(({ points }) => points.map(([, y]) => y));
}
