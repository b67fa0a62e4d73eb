import type { Measurement } from '../measurement.js';
import type { LoadResult } from '../programs/messages.js';
import type { Sample } from '../results.js';
import type { Rig } from '../rig.js';
import { EVERYBODY, oursTo, SMALL_BYTES } from './calls.js';

const CONCURRENCY = 64;
const PATIENCE_MS = 5000;

export const events: Measurement = {
  name: 'events',
  title: 'One-way events',
  async run(lab) {
    const rigs = await lab.rigs(EVERYBODY);
    const title = `events of ${SMALL_BYTES} bytes, until the server has had the last`;
    const contenders = rigs.map((rig) => ({
      label: rig.peer.name,
      // Some senders are ahead of their receivers: the other half is for what is then still on its way.
      measure: () => measure(rig, lab.settings.roundMs / 2),
    }));
    return [
      {
        title,
        settings: { bytes: SMALL_BYTES, concurrency: CONCURRENCY },
        figures: ['eventsPerSecond'],
        ratio: oursTo('eventsPerSecond'),
        series: await lab.compete(title, contenders),
      },
    ];
  },
};

async function measure(rig: Rig, ms: number): Promise<Sample> {
  const load = { kind: 'events', concurrency: CONCURRENCY, bytes: SMALL_BYTES, ms } as const;
  if (!rig.peer.feedsItself) return measureArrivals(rig, load);
  const { perSecond, failed } = await rig.run(load);
  return { eventsPerSecond: perSecond, failed };
}

/** Sent is not received: what counts is what the handler has seen, in the time until it saw the last. */
async function measureArrivals(
  { callers, servers }: Rig,
  load: Parameters<Rig['run']>[0],
): Promise<Sample> {
  const received = (count: number) =>
    servers[0]!.ask<number>({ kind: 'received', count, patienceMs: PATIENCE_MS });
  const before = await received(0);
  const began = performance.now();
  const { done, failed } = await callers[0]!.ask<LoadResult>({ kind: 'run', load });
  const arrived = (await received(before + done)) - before;
  const seconds = (performance.now() - began) / 1000;
  return { eventsPerSecond: arrived / seconds, lost: done - arrived, failed };
}
