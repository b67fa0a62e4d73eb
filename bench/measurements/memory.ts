import type { Lab } from '../lab.js';
import type { Measurement } from '../measurement.js';
import { OURS, type Peer } from '../peers.js';
import type { LoadOf } from '../programs/messages.js';
import type { Case, Sample } from '../results.js';
import type { Rig } from '../rig.js';
import { oursTo, SMALL_BYTES } from './calls.js';

const WEIGHED = { execArgv: ['--expose-gc'] };
const HELD = { count: 100_000, settleMs: 3000, rounds: 2 };
const QUICK_HELD = { count: 20_000, settleMs: 500, rounds: 1 };
const SOAKED_CALLS = 2_000_000;
const QUICK_SOAKED_CALLS = 100_000;
const SOAK_CONCURRENCY = 64;
const MIB = 2 ** 20;

export const memory: Measurement = {
  name: 'memory',
  title: 'Memory',
  run: async (lab) => [await compareHeap(lab), await soak(lab)],
};

async function compareHeap(lab: Lab): Promise<Case> {
  const { isQuick } = lab.settings;
  const { rounds, ...held } = isQuick ? QUICK_HELD : HELD;
  const { count } = held;
  const title = `${count} calls in flight`;
  const peers = lab.peers(({ usesRedis }) => !isQuick || usesRedis);
  const contenders = peers.map((peer) => ({
    label: peer.name,
    measure: () => weigh(lab, peer, { kind: 'hold', ...held }),
  }));
  return {
    title,
    settings: { count },
    figures: ['callerHeap', 'serverHeap'],
    ratio: oursTo('callerHeap'),
    series: await lab.compete(title, contenders, { rounds, warmsUp: false }),
  };
}

/** In processes of its own, as the calls stay out for ever. */
async function weigh(lab: Lab, peer: Peer, load: LoadOf<'hold'>): Promise<Sample> {
  const [rig] = await lab.rigs((one) => one === peer, WEIGHED);
  const before = await heaps(rig!);
  const { failed } = await rig!.run(load);
  const after = await heaps(rig!);
  await lab.stopRigs();
  return {
    callerHeap: (after.caller - before.caller) / load.count,
    serverHeap: (after.server - before.server) / load.count,
    failed,
  };
}

async function heaps(rig: Rig): Promise<{ caller: number; server: number }> {
  const [caller, server] = [await rig.callerUsage(), await rig.serverUsage()];
  return { caller: caller.heapBytes, server: server.heapBytes };
}

/** Only of this transport: whether it keeps something of each call is no matter of comparison. */
async function soak(lab: Lab): Promise<Case> {
  const calls = lab.settings.isQuick ? QUICK_SOAKED_CALLS : SOAKED_CALLS;
  const title = `resident memory after ${calls} calls, and its growth since a fourth of them`;
  const measure = async () => {
    const [rig] = await lab.rigs((peer) => peer.name === OURS);
    return soakOne(rig!, calls);
  };
  const series = await lab.compete(title, [{ label: OURS, measure }], {
    rounds: 1,
    warmsUp: false,
  });
  await lab.stopRigs();
  return {
    title,
    settings: { calls, concurrency: SOAK_CONCURRENCY, bytes: SMALL_BYTES },
    figures: ['callerRss', 'callerGrowth', 'serverRss', 'serverGrowth'],
    ratio: oursTo('callerRss'),
    series,
  };
}

async function soakOne(rig: Rig, calls: number): Promise<Sample> {
  const run = (count: number) =>
    rig.run({ kind: 'soak', concurrency: SOAK_CONCURRENCY, bytes: SMALL_BYTES, calls: count });
  await run(calls / 4);
  const before = await residents(rig);
  const { failed } = await run((3 * calls) / 4);
  const after = await residents(rig);
  return {
    callerRss: after.caller,
    callerGrowth: after.caller - before.caller,
    serverRss: after.server,
    serverGrowth: after.server - before.server,
    failed,
  };
}

async function residents(rig: Rig): Promise<{ caller: number; server: number }> {
  const [caller, server] = [await rig.callerUsage(), await rig.serverUsage()];
  return { caller: caller.rssBytes / MIB, server: server.rssBytes / MIB };
}
