/**
 * `npm run bench:guard`, part of `npm test`: fails if the transport is not clearly faster than Nest's Redis
 * transport any more. It is four to six times as fast; the bound is low, and there are several tries, so that
 * a busy machine is not taken for a slow transport.
 */
import { startPrivateRedis } from '../tools/redis.mjs';
import { Lab } from './lab.js';
import { SMALL_BYTES } from './measurements/calls.js';
import { OURS } from './peers.js';
import { Progress } from './progress.js';
import { RedisGauge } from './redis-gauge.js';
import type { Rig } from './rig.js';
import { pairedRatio } from './stats.js';

const PEER = 'Nest Redis';
const CONCURRENCY = 64;
const LEAST_RATIO = 3;
const TRIES = 5;
const SETTINGS = { isQuick: true, rounds: 7, roundMs: 400, warmUpMs: 1500 };
const LOAD = { kind: 'calls', concurrency: CONCURRENCY, bytes: SMALL_BYTES } as const;

async function main(): Promise<boolean> {
  const progress = new Progress();
  const redis = await startPrivateRedis({ log: (line: string) => progress.warn(line) });
  const gauge = new RedisGauge(redis.url);
  const brokers = { redisUrl: redis.url, natsUrl: undefined, rmqUrl: undefined, notes: [] };
  const lab = new Lab(SETTINGS, { ...brokers, stop: () => redis.stop() }, gauge, progress);
  try {
    return await isFastEnough(lab, progress);
  } finally {
    gauge.close();
    await lab.stopRigs();
    await redis.stop();
  }
}

async function isFastEnough(lab: Lab, progress: Progress): Promise<boolean> {
  const rigs = await lab.rigs(({ name }) => name === OURS || name === PEER);
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const ratio = await ratioOf(lab, rigs);
    progress.clear();
    console.log(`${CONCURRENCY} calls in flight: ${ratio.toFixed(1)} times as fast as ${PEER}`);
    if (ratio >= LEAST_RATIO) return true;
  }
  console.error(`That is less than ${LEAST_RATIO} times, ${TRIES} times in a row.`);
  return false;
}

async function ratioOf(lab: Lab, rigs: readonly Rig[]): Promise<number> {
  const contenders = rigs.map((rig) => ({
    label: rig.peer.name,
    measure: async () => ({
      callsPerSecond: (await rig.run({ ...LOAD, ms: SETTINGS.roundMs })).perSecond,
    }),
  }));
  const series = await lab.compete('guard', contenders);
  const ratesOf = (name: string) =>
    series.find(({ label }) => label === name)!.samples.map((one) => one.callsPerSecond!);
  return pairedRatio(ratesOf(OURS), ratesOf(PEER));
}

process.exitCode = (await main()) ? 0 : 1;
