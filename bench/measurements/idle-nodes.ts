import type { Lab } from '../lab.js';
import type { Measurement } from '../measurement.js';
import { OURS } from '../peers.js';
import { Worker } from '../process.js';
import type { Case, Sample } from '../results.js';
import type { Rig } from '../rig.js';
import { callSample, SMALL_BYTES } from './calls.js';

const FULL_COUNTS = [1, 10, 100, 1000, 5000];
const QUICK_COUNTS = [1, 10, 100];
const CONCURRENCIES = [1, 64];
const SERVICE = 'echo';

/**
 * What a call costs Redis when so many nodes are registered for its service. One of them answers; the others
 * have inboxes, members and entries like real ones, but send no heartbeats: those are Redis's work too, a
 * second's worth per node and second however many calls there are, and no part of a call.
 */
export const idleNodes: Measurement = {
  name: 'idle-nodes',
  title: 'Registered nodes that are idle',
  async run(lab) {
    const [rig] = await lab.rigs((peer) => peer.name === OURS);
    const idle = new Worker('idle');
    try {
      const cases: Case[] = [];
      for (const concurrency of CONCURRENCIES) {
        cases.push(await compare(lab, rig!, idle, concurrency));
      }
      return cases;
    } finally {
      await idle.stop();
      await lab.stopRigs();
    }
  },
};

async function compare(lab: Lab, rig: Rig, idle: Worker, concurrency: number): Promise<Case> {
  const title = `${SMALL_BYTES} bytes, ${concurrency} in flight, by registered nodes`;
  const { isQuick, roundMs } = lab.settings;
  const load = { kind: 'calls', concurrency, bytes: SMALL_BYTES, ms: roundMs } as const;
  const measure = async (nodes: number): Promise<Sample> => {
    const { addresses } = rig;
    await idle.ask({ kind: 'populate', addresses, service: SERVICE, nodes: nodes - 1 });
    return callSample(await rig.run(load));
  };
  const counts = isQuick ? QUICK_COUNTS : FULL_COUNTS;
  const contenders = counts.map((nodes) => ({
    label: labelOf(nodes),
    measure: () => measure(nodes),
  }));
  return {
    title,
    settings: { concurrency, bytes: SMALL_BYTES },
    figures: ['redisUs', 'callsPerSecond', 'p50', 'p99'],
    ratio: { figure: 'redisUs', base: labelOf(1), kind: 'it / base', heading: 'it / 1 node' },
    series: await lab.compete(title, contenders),
  };
}

function labelOf(nodes: number): string {
  return nodes === 1 ? '1 node' : `${nodes} nodes`;
}
