import type { Measurement } from '../measurement.js';
import type { Peer } from '../peers.js';
import { compareCalls, EVERYBODY, SMALL_BYTES } from './calls.js';

const CALLERS = 8;
const LOAD = { concurrency: 1, bytes: SMALL_BYTES } as const;
/** Of two cores each process gets so much less than when there are two processes. */
const WARM_UP_SHARE = 4;

/** Eight processes for each of six transports take a while to start. */
const inQuickRun = ({ usesRedis }: Peer) => usesRedis;

export const callers: Measurement = {
  name: 'callers',
  title: 'Many callers with one call each',
  async run(lab) {
    const rigs = await lab.rigs(lab.settings.isQuick ? inQuickRun : EVERYBODY, {
      callers: CALLERS,
    });
    await lab.warmUp(rigs, { kind: 'calls', ...LOAD, ms: WARM_UP_SHARE * lab.settings.warmUpMs });
    const title = `${CALLERS} callers, ${SMALL_BYTES} bytes, 1 in flight each`;
    return [await compareCalls(lab, rigs, title, LOAD)];
  },
};
