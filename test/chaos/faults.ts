import type { Dice } from './dice.js';
import type { Slot } from './slot.js';
import type { World } from './world.js';

type Wait = (ms: number) => Promise<void>;

/** Something that goes wrong for a while. `strike` ends when all is well again but for its consequences. */
export interface Fault {
  readonly name: string;
  strike(world: World, dice: Dice, wait: Wait): Promise<void>;
}

/** The network of one process, or of all. */
function network(
  name: string,
  strike: (slots: readonly Slot[], dice: Dice, wait: Wait) => Promise<void>,
): Fault {
  return {
    name,
    strike(world, dice, wait) {
      const slots = dice.chance(0.2) ? world.slots : [dice.pick(world.slots)];
      return strike(slots, dice, wait);
    },
  };
}

const each = (slots: readonly Slot[], act: (slot: Slot) => void) => slots.forEach(act);

const reset = network('connections reset', (slots) => {
  each(slots, ({ proxy }) => proxy.cut());
  return Promise.resolve();
});

const loseReplies = network('answers lost', async (slots, dice, wait) => {
  each(slots, ({ proxy }) => proxy.loseReplies());
  await wait(dice.between(20, 300));
  each(slots, ({ proxy }) => proxy.cut());
});

const stall = network('network stalls', async (slots, dice, wait) => {
  each(slots, ({ proxy }) => proxy.stall());
  await wait(dice.between(100, dice.chance(0.2) ? 5000 : 1500));
  each(slots, ({ proxy }) => proxy.flow());
});

const refuse = network('connects refused', async (slots, dice, wait) => {
  each(slots, ({ proxy }) => proxy.refuse());
  await wait(dice.between(100, 1500));
  each(slots, ({ proxy }) => proxy.accept());
});

const slice = network('slices of one byte', async (slots, dice, wait) => {
  each(slots, ({ proxy }) => proxy.shape({ isSliced: true }));
  await wait(dice.between(500, 1500));
  each(slots, ({ proxy }) => proxy.shape({}));
});

const latency = network('latency with jitter', async (slots, dice, wait) => {
  const [least, jitter] = [dice.between(5, 50), dice.between(5, 50)];
  each(slots, ({ proxy }) => proxy.shape({ latencyMs: () => least + jitter * Math.random() }));
  await wait(dice.between(500, 2000));
  each(slots, ({ proxy }) => proxy.shape({}));
});

const bandwidth = network('bandwidth of 256 KiB/s', async (slots, dice, wait) => {
  each(slots, ({ proxy }) => proxy.shape({ bytesPerSecond: 256 * 1024 }));
  await wait(dice.between(500, 2000));
  each(slots, ({ proxy }) => proxy.shape({}));
});

const killNode = killOne('node killed', (world) => world.nodes);
const killCaller = killOne('caller killed', (world) => world.callers);

function killOne(name: string, among: (world: World) => readonly Slot[]): Fault {
  return {
    name,
    async strike(world, dice, wait) {
      await dice.pick(among(world)).replace('kill', () => wait(dice.between(0, 500)));
    },
  };
}

const restartNode: Fault = {
  name: 'node restarted by SIGTERM',
  strike: (world, dice) => dice.pick(world.nodes).replace('close', async () => {}),
};

const freeze: Fault = {
  name: 'process frozen',
  async strike(world, dice, wait) {
    const slot = dice.pick(world.slots);
    slot.signal('SIGSTOP');
    await wait(dice.chance(0.1) ? 10_000 : dice.pick([500, 2000]));
    slot.signal('SIGCONT');
  },
};

const block: Fault = {
  name: 'event loop blocked',
  async strike(world, dice, wait) {
    const ms = dice.pick([500, 1500, 3000]);
    dice.pick(world.slots).order({ kind: 'block', ms });
    await wait(ms);
  },
};

const redisRestart: Fault = {
  name: 'Redis killed, back empty',
  strike: (world, dice, wait) => world.restartRedis(() => wait(dice.between(0, 1000))),
};

const redisFreeze: Fault = {
  name: 'Redis frozen',
  async strike(world, dice, wait) {
    world.signalRedis('SIGSTOP');
    await wait(dice.between(200, 2500));
    world.signalRedis('SIGCONT');
  },
};

const killClients = (type: 'pubsub' | 'normal'): Fault => ({
  name: `CLIENT KILL TYPE ${type}`,
  async strike(world, _dice, wait) {
    for (let i = 0; i < 10; i++) {
      await world.admin.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
      await wait(50);
    }
  },
});

const command = (name: string, act: (world: World) => Promise<unknown>): Fault => ({
  name,
  strike: async (world) => void (await act(world)),
});

const flushAll = command('FLUSHALL', ({ admin }) => admin.flushall());
const flushScripts = command('SCRIPT FLUSH', ({ admin }) => admin.script('FLUSH'));

const pauseClients: Fault = {
  name: 'CLIENT PAUSE',
  async strike(world, dice, wait) {
    const ms = dice.between(100, 1500);
    await world.admin.call('CLIENT', 'PAUSE', ms, dice.pick(['ALL', 'WRITE']));
    await wait(ms);
  },
};

const memoryFull: Fault = {
  name: 'maxmemory reached',
  async strike(world, dice, wait) {
    await world.admin.config('SET', 'maxmemory', 1);
    await wait(dice.between(100, 1000));
    await world.admin.config('SET', 'maxmemory', 0);
  },
};

const rightsRevoked: Fault = {
  name: 'rights revoked',
  async strike(world, dice, wait) {
    const taken = dice.pick(['-@scripting', '-publish', '-zadd', '-client|reply', '-@all']);
    await world.admin.call('ACL', 'SETUSER', 'chaos', taken);
    await wait(dice.between(100, 1000));
    await world.admin.call('ACL', 'SETUSER', 'chaos', '+@all');
  },
};

/** All that can strike anywhere at any time. */
export const FAULTS: readonly Fault[] = [
  reset,
  loseReplies,
  stall,
  refuse,
  slice,
  latency,
  bandwidth,
  killNode,
  killCaller,
  restartNode,
  freeze,
  block,
  redisRestart,
  redisFreeze,
  killClients('pubsub'),
  killClients('normal'),
  flushAll,
  flushScripts,
  pauseClients,
  memoryFull,
  rightsRevoked,
];
