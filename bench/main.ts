/**
 * `npm run bench`: request-reply of this transport and its peers, side by side in the same run. Rounds are
 * interleaved (A B C A B C ...), server and caller are processes of their own, the first round warms up.
 */
import { startBrokers } from './brokers.js';
import { type Peer, PEERS } from './peers.js';
import { Worker } from './process.js';
import type { LoadResult, Usage } from './programs/messages.js';
import { median, spread } from './stats.js';

const CONCURRENCIES = [1, 64, 512];
const BYTES = 100;
const ROUNDS = 5;
const ROUND_MS = 800;

interface Rig {
  readonly peer: Peer;
  readonly server: Worker;
  readonly caller: Worker;
}

interface Sample {
  readonly perSecond: number;
  readonly p50: number;
  readonly callerUs: number;
  readonly serverUs: number;
}

async function main(): Promise<void> {
  const brokers = await startBrokers(`bench-${process.pid}`);
  const rigs: Rig[] = [];
  try {
    for (const note of brokers.notes) console.log(note);
    const available = PEERS.filter((peer) => peer.isAvailable(brokers.addresses));
    for (const peer of available) {
      const rig = { peer, server: new Worker('server'), caller: new Worker('caller') };
      rigs.push(rig);
      const command = { kind: 'start', peer: peer.name, addresses: brokers.addresses } as const;
      await rig.server.ask(command);
      await rig.caller.ask(command);
    }
    for (const concurrency of CONCURRENCIES) report(concurrency, await measure(rigs, concurrency));
  } finally {
    await Promise.all(rigs.flatMap(({ server, caller }) => [server.stop(), caller.stop()]));
    await brokers.stop();
  }
}

async function measure(rigs: readonly Rig[], concurrency: number): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(rigs.map(({ peer }) => [peer.name, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    console.error(`${concurrency} in flight, round ${round} of ${ROUNDS} ...`);
    for (const rig of rigs) {
      const sample = await measureOne(rig, concurrency);
      if (round > 0) samples.get(rig.peer.name)!.push(sample);
    }
  }
  return samples;
}

async function measureOne({ server, caller }: Rig, concurrency: number): Promise<Sample> {
  const before = await server.ask<Usage>({ kind: 'usage' });
  const load = { kind: 'calls', concurrency, bytes: BYTES, ms: ROUND_MS } as const;
  const { done, seconds, p50, cpuUs } = await caller.ask<LoadResult>({ kind: 'run', load });
  const after = await server.ask<Usage>({ kind: 'usage' });
  return {
    perSecond: done / seconds,
    p50,
    callerUs: cpuUs / done,
    serverUs: (after.cpuUs - before.cpuUs) / done,
  };
}

function report(concurrency: number, samples: Map<string, Sample[]>): void {
  const ours = median(samples.get('nestjs-clouds')!.map(({ perSecond }) => perSecond));
  const rows = [...samples].map(([name, list]) => {
    const rates = list.map(({ perSecond }) => perSecond);
    return {
      transport: name,
      'calls/s': Math.round(median(rates)),
      'ours / it': Number((ours / median(rates)).toFixed(2)),
      spread: Number(spread(rates).toFixed(2)),
      'p50 ms': Number(median(list.map(({ p50 }) => p50)).toFixed(3)),
      'caller us/call': Number(median(list.map(({ callerUs }) => callerUs)).toFixed(1)),
      'server us/call': Number(median(list.map(({ serverUs }) => serverUs)).toFixed(1)),
    };
  });
  console.log(`\n${BYTES} bytes, ${concurrency} in flight`);
  console.table(rows);
}

await main();
