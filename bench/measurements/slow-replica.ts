import type { Measurement } from '../measurement.js';
import type { Sample } from '../results.js';
import type { Rig } from '../rig.js';
import { latencies, oursTo } from './calls.js';

const FAST_MS = 10;
const SLOW_MS = 10 * FAST_MS;
const REPLICAS = [SLOW_MS, FAST_MS, FAST_MS, FAST_MS].map((workMs) => ({ workMs }));
const CAPACITY = REPLICAS.reduce((sum, { workMs }) => sum + 1000 / workMs, 0);
const LOAD_SHARE = 0.4;

/** Whoever gives each replica a fourth overloads the slow one: what waits there takes twice the time to drain. */
const DRAIN_SHARE = 2.5;
const FULL = { rounds: 3, ms: 10_000, warmUpMs: 1000 };
const QUICK = { rounds: 1, ms: 2000, warmUpMs: 200 };

export const slowReplica: Measurement = {
  name: 'slow-replica',
  title: 'Four replicas of which one is ten times slower',
  async run(lab) {
    const rigs = await lab.rigs((peer) => peer.balances && peer.name !== 'Nest RMQ', {
      servers: REPLICAS,
    });
    const { rounds, ms, warmUpMs } = lab.settings.isQuick ? QUICK : FULL;
    const perSecond = CAPACITY * LOAD_SHARE;
    const title = `Poisson arrivals, ${perSecond.toFixed(0)}/s (${100 * LOAD_SHARE} % of capacity) for ${ms / 1000} s`;
    for (const rig of rigs) await measure(rig, perSecond, warmUpMs);
    const contenders = rigs.map((rig) => ({
      label: rig.peer.name,
      measure: () => measure(rig, perSecond, ms),
    }));
    return [
      {
        title,
        settings: { perSecond, ms, fastMs: FAST_MS, slowMs: SLOW_MS },
        figures: ['p50', 'p90', 'p99', 'unanswered'],
        ratio: { ...oursTo('p90'), kind: 'it / base', heading: 'it / ours' },
        series: await lab.compete(title, contenders, { rounds, warmsUp: false }),
      },
    ];
  },
};

async function measure(rig: Rig, perSecond: number, ms: number): Promise<Sample> {
  const outcome = await rig.run({ kind: 'arrivals', perSecond, ms, drainMs: DRAIN_SHARE * ms });
  await Promise.all(rig.servers.map((server) => server.ask({ kind: 'reset' })));
  const { unanswered, failed, percentiles } = outcome;
  return { ...latencies(outcome), unanswered, failed, percentiles };
}
