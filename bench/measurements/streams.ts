import type { Measurement } from '../measurement.js';
import type { Sample } from '../results.js';
import type { Rig } from '../rig.js';
import { costs, EVERYBODY, oursTo } from './calls.js';

const VALUES = 1000;
const STREAMS = 4;

export const streams: Measurement = {
  name: 'streams',
  title: 'Streams',
  async run(lab) {
    const rigs = await lab.rigs(EVERYBODY);
    const title = `streams of ${VALUES} values, ${STREAMS} in flight; costs are per value`;
    const contenders = rigs.map((rig) => ({
      label: rig.peer.name,
      measure: () => measure(rig, lab.settings.roundMs),
    }));
    return [
      {
        title,
        settings: { values: VALUES, concurrency: STREAMS },
        figures: ['valuesPerSecond', 'callerUs', 'serverUs', 'redisUs'],
        ratio: oursTo('valuesPerSecond'),
        series: await lab.compete(title, contenders),
      },
    ];
  },
};

async function measure(rig: Rig, ms: number): Promise<Sample> {
  const load = { kind: 'streams', concurrency: STREAMS, values: VALUES, ms } as const;
  const outcome = await rig.run(load);
  return { valuesPerSecond: outcome.perSecond, ...costs(outcome) };
}
