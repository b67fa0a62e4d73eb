import type { Lab } from '../lab.js';
import { OURS } from '../peers.js';
import type { LoadOf } from '../programs/messages.js';
import type { Case, FigureName, Ratio, Sample } from '../results.js';
import type { Outcome, Rig } from '../rig.js';

export const EVERYBODY = () => true;
export const SMALL_BYTES = 100;

export const CALL_FIGURES: readonly FigureName[] = [
  'callsPerSecond',
  'p50',
  'p99',
  'callerUs',
  'serverUs',
  'redisUs',
];

export function oursTo(figure: FigureName): Ratio {
  return { figure, base: OURS, kind: 'base / it', heading: 'ours / it' };
}

export function latencies({ percentiles }: Outcome): Sample {
  return { p50: percentiles[50], p90: percentiles[90], p99: percentiles[99] };
}

export function costs({ callerUs, serverUs, redisUs, failed }: Outcome): Sample {
  return { callerUs, serverUs, redisUs, failed };
}

export function callSample(outcome: Outcome): Sample {
  return { callsPerSecond: outcome.perSecond, ...latencies(outcome), ...costs(outcome) };
}

type CallLoad = Pick<LoadOf<'calls'>, 'concurrency' | 'bytes' | 'content'>;

/** Request-reply of these rigs in turns. */
export async function compareCalls(
  lab: Lab,
  rigs: readonly Rig[],
  title: string,
  load: CallLoad,
  { rounds = lab.settings.rounds, ms = lab.settings.roundMs } = {},
): Promise<Case> {
  const { concurrency, bytes } = load;
  const whole = { kind: 'calls', ms, ...load } as const;
  const contenders = rigs.map((rig) => ({
    label: rig.peer.name,
    measure: async () => callSample(await rig.run(whole)),
  }));
  return {
    title,
    settings: { concurrency, bytes, callers: rigs[0]!.callers.length },
    figures: CALL_FIGURES,
    ratio: oursTo('callsPerSecond'),
    series: await lab.compete(title, contenders, { rounds }),
  };
}

export function sizeOf(bytes: number): string {
  return bytes >= 1024 ? `${bytes / 1024} KB` : `${bytes} bytes`;
}
