import type { SentinelRig } from '../support/sentinel.js';
import { type Fault, PROCESS_FAULTS } from './faults.js';
import type { SentinelRedis } from './sentinel-redis.js';

const failover = (name: string, strike: (rig: SentinelRig) => unknown): Fault<SentinelRedis> => ({
  name,
  strike: ({ redis }) => redis.failOver(strike),
});

/** All that can strike a world whose sentinels choose its master. No proxy is there: they tell where it is. */
export const SENTINEL_FAULTS: readonly Fault<SentinelRedis>[] = [
  failover('failover, planned', (rig) => rig.failOver()),
  failover('failover of a master that was killed', (rig) => rig.killMaster()),
  failover('failover of a master that is frozen', (rig) => rig.freezeMaster()),
  ...PROCESS_FAULTS,
];
