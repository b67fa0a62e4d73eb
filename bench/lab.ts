import type { Brokers } from './brokers/brokers.js';
import { freePort } from './brokers/ports.js';
import { type Addresses, type Peer, PEERS } from './peers.js';
import type { Progress } from './progress.js';
import type { Load } from './programs/messages.js';
import type { RedisGauge } from './redis-gauge.js';
import type { Sample, Series } from './results.js';
import { Rig, type RigPlan } from './rig.js';

const WARM_UP = { kind: 'calls', concurrency: 64, bytes: 100 } as const;
const ONE_AND_ONE: RigPlan = { callers: 1, servers: [{}], execArgv: [] };

/** Who takes part in a comparison. */
export interface Contender {
  readonly label: string;
  measure(): Promise<Sample>;
}

export interface LabSettings {
  readonly isQuick: boolean;
  /** How often each contender is measured. */
  readonly rounds: number;
  /** How long a round of one contender takes. */
  readonly roundMs: number;
  readonly warmUpMs: number;
}

/** What measurements work with: the transports that are there, their processes, and rounds in turns. */
export class Lab {
  #rigs: Rig[] = [];
  #plan = '';
  #runs = 0;

  constructor(
    readonly settings: LabSettings,
    private readonly brokers: Brokers,
    readonly gauge: RedisGauge,
    readonly progress: Progress,
  ) {}

  /**
   * The processes of all transports that pass. Kept for the next measurement that wants the same: only one
   * set is there at a time, as not all transports keep two sets on one broker apart.
   */
  async rigs(passes: (peer: Peer) => boolean, plan: Partial<RigPlan> = {}): Promise<Rig[]> {
    const peers = this.peers(passes);
    const name = JSON.stringify([peers.map((peer) => peer.name), plan]);
    if (name === this.#plan) return this.#rigs;
    await this.stopRigs();
    this.#plan = name;
    await this.#startRigs(peers, { ...ONE_AND_ONE, ...plan });
    return this.#rigs;
  }

  peers(passes: (peer: Peer) => boolean): Peer[] {
    return PEERS.filter((peer) => peer.isAvailable(this.#addresses(0)) && passes(peer));
  }

  async stopRigs(): Promise<void> {
    const rigs = this.#rigs;
    [this.#rigs, this.#plan] = [[], ''];
    await Promise.all(rigs.map((rig) => rig.stop()));
  }

  /** Gives each a load that does not count. */
  async warmUp(rigs: readonly Rig[], load: Load): Promise<void> {
    for (const rig of rigs) {
      this.progress.step(`warm-up, ${rig.peer.name}`);
      await rig.run(load);
    }
  }

  /** Measures in turns, A B C A B C ...; the first round warms up and does not count. */
  async compete(
    title: string,
    contenders: readonly Contender[],
    { rounds = this.settings.rounds, warmsUp = true } = {},
  ): Promise<Series[]> {
    this.progress.start(title);
    const samples = contenders.map((): Sample[] => []);
    for (let round = warmsUp ? 0 : 1; round <= rounds; round++) {
      for (const [index, { label, measure }] of contenders.entries()) {
        this.progress.step(
          round === 0 ? `warm-up, ${label}` : `round ${round}/${rounds}, ${label}`,
        );
        const sample = await measure();
        if (round > 0) samples[index]!.push(sample);
      }
    }
    return contenders.map(({ label }, index) => ({ label, samples: samples[index]! }));
  }

  async #startRigs(peers: readonly Peer[], plan: RigPlan): Promise<void> {
    this.progress.step('starting the processes');
    for (const peer of peers) {
      const addresses = this.#addresses(await freePort());
      this.#rigs.push(new Rig(peer, plan, addresses, this.gauge));
    }
    await Promise.all(this.#rigs.map((rig) => rig.start()));
    if (plan.servers.length > 1) return;
    await this.warmUp(this.#rigs, { ...WARM_UP, ms: this.settings.warmUpMs });
  }

  #addresses(tcpPort: number): Addresses {
    const { redisUrl, natsUrl, rmqUrl } = this.brokers;
    return { redisUrl, natsUrl, rmqUrl, tcpPort, run: `bench-${process.pid}-${++this.#runs}` };
  }
}
