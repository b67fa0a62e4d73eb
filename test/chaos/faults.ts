import type { Dice } from './dice.js';
import type { RedisServer } from './redis-server.js';
import { RESTART } from './rollout.js';
import type { Slot } from './slot.js';
import type { World } from './world.js';

export type Wait = (ms: number) => Promise<void>;

/** Something that goes wrong for a while. `strike` ends when all is well again but for its consequences. */
export interface Fault<R extends RedisServer> {
  readonly name: string;
  strike(world: World<R>, dice: Dice, wait: Wait): Promise<void>;
}

const killNode = killOne('node killed', (world) => world.nodes);
const killCaller = killOne('caller killed', (world) => world.callers);

function killOne(name: string, among: (world: World) => readonly Slot[]): Fault<RedisServer> {
  return {
    name,
    async strike(world, dice, wait) {
      await dice.pick(among(world)).replace('kill', () => wait(dice.between(0, 500)));
    },
  };
}

const restartNode: Fault<RedisServer> = {
  name: RESTART,
  strike: (world, dice) => dice.pick(world.nodes).replace('close', async () => {}),
};

const freeze: Fault<RedisServer> = {
  name: 'process frozen',
  async strike(world, dice, wait) {
    const slot = dice.pick(world.slots);
    slot.signal('SIGSTOP');
    await wait(dice.chance(0.1) ? 10_000 : dice.pick([500, 2000]));
    slot.signal('SIGCONT');
  },
};

const block: Fault<RedisServer> = {
  name: 'event loop blocked',
  async strike(world, dice, wait) {
    const ms = dice.pick([500, 1500, 3000]);
    dice.pick(world.slots).order({ kind: 'block', ms });
    await wait(ms);
  },
};

/** What can happen to processes, whatever their Redis is. */
export const PROCESS_FAULTS: readonly Fault<RedisServer>[] = [
  killNode,
  killCaller,
  restartNode,
  freeze,
  block,
];

const PROCESS_FAULT_NAMES: ReadonlySet<string> = new Set(PROCESS_FAULTS.map(({ name }) => name));

/** What the names of those begin with after which Redis has another master. */
export const FAILOVER = 'failover';

/** Nodes and callers know each other again: three heartbeats can be missed, and a node is back within another. */
const AFTERMATH_MS = 4000;
/** Until the old master is a replica, it may still take itself for the master. */
const FAILOVER_MS = 10_000;

/** How long after a fault is over the calls may still end as they do because of it. */
export function aftermathMs(name: string): number {
  return name.startsWith(FAILOVER) ? FAILOVER_MS + AFTERMATH_MS : AFTERMATH_MS;
}

/** Redis refuses commands, at once: what it has taken goes its way. */
export const REFUSALS = { memory: 'maxmemory reached', rights: 'rights revoked' } as const;

const REFUSAL_NAMES: ReadonlySet<string> = new Set(Object.values(REFUSALS));

/** Whether messages can be held up on their way meanwhile, and not only at processes. */
export function holdsMessages(name: string): boolean {
  return !PROCESS_FAULT_NAMES.has(name) && !REFUSAL_NAMES.has(name);
}
