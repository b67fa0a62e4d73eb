import type { SentinelRig } from '../support/sentinel.js';
import { FAILOVER, type Fault, PROCESS_FAULTS } from './faults.js';
import type { SentinelRedis } from './sentinel-redis.js';

const failover = (what: string, strike: (rig: SentinelRig) => unknown): Fault<SentinelRedis> => ({
  name: `${FAILOVER}${what}`,
  strike: ({ redis }) => redis.failOver(strike),
});

/** All that can strike a world whose sentinels choose its master. No proxy is there: they tell where it is. */
export const SENTINEL_FAULTS: readonly Fault<SentinelRedis>[] = [
  failover(', planned', (rig) => rig.failOver()),
  failover(' of a master that was killed', (rig) => rig.killMaster()),
  failover(' of a master that is frozen', (rig) => rig.freezeMaster()),
  ...PROCESS_FAULTS,
];
