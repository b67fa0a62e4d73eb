import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CloudsNode, type CloudsOptions } from '../../lib/index.js';
import { SentinelRig } from '../support/sentinel.js';
import { measured, outcome, until } from '../support/wait.js';

/** How long after the new master is there calls may still fail. */
const RECOVERY_MS = 2000;
const CALL_MS = 20;

let rig: SentinelRig;
const nodes: CloudsNode[] = [];

beforeEach(async () => {
  rig = await SentinelRig.start();
}, 40_000);

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.close()));
  await rig.stop();
}, 40_000);

async function connected(options: CloudsOptions = {}): Promise<CloudsNode> {
  const node = new CloudsNode({ redis: rig.redis, prefix: 'sentinel:', ...options });
  nodes.push(node);
  await node.connect();
  return node;
}

/** Makes a call every 20 ms, and notes when each was made and how it ended, until it is told to stop. */
function callAllTheTime(caller: CloudsNode) {
  const calls: { at: number; ended: Promise<string> }[] = [];
  let isOver = false;
  const loop = (async () => {
    for (; !isOver; await delay(CALL_MS)) {
      const ended = outcome(caller.send('count', calls.length, { timeout: 1500 }));
      calls.push({ at: performance.now(), ended });
    }
  })();
  return async () => {
    isOver = true;
    await loop;
    return Promise.all(calls.map(async ({ at, ended }) => ({ at, ended: await ended })));
  };
}

describe.each<[what: string, strike: (rig: SentinelRig) => unknown]>([
  ['planned', (one) => one.failOver()],
  ['of a master that was killed', (one) => one.killMaster()],
  ['of a master that is frozen', (one) => one.freezeMaster()],
])('a failover %s', (what, strike) => {
  it(
    'is over for callers and nodes two seconds after the replica is the master, and no call runs twice',
    { timeout: 60_000 },
    async () => {
      const runs = new Map<number, number>();
      const node = await connected();
      await node.register('count', (key: number) => void runs.set(key, (runs.get(key) ?? 0) + 1));
      const stop = callAllTheTime(await connected());
      await delay(500);

      await strike(rig);
      await rig.promoted();
      const promotedAt = performance.now();
      await delay(2 * RECOVERY_MS);

      const calls = await stop();
      const lastFailure = calls.findLast(({ ended }) => ended !== 'ok')?.at ?? 0;
      measured(`failover ${what}, last failure after the promotion`, lastFailure - promotedAt);
      const late = calls.filter(({ at }) => at > promotedAt + RECOVERY_MS);
      expect(late.length).toBeGreaterThan(50);
      expect(late.filter(({ ended }) => ended !== 'ok')).toEqual([]);
      expect(Math.max(...runs.values())).toBe(1);
    },
  );
});

it(
  'a master that is frozen is left as soon as another is named, however slow the heartbeat',
  { timeout: 60_000 },
  async () => {
    const node = await connected({ heartbeatInterval: 30_000 });
    let hasLeft = false;
    node.on('reconnecting', () => (hasLeft = true));

    process.kill(rig.master.pid, 'SIGSTOP');
    await rig.promoted();

    await until('it has left', () => hasLeft, RECOVERY_MS);
    await until('it is at the new master', () => node.isConnected, RECOVERY_MS);
  },
);
