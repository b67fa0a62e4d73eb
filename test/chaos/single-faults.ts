import type { Redis } from 'ioredis';
import { canMakeNamespaces } from '../support/network-namespace.js';
import type { Proxy } from '../support/proxy.js';
import type { Dice } from './dice.js';
import { type Fault, PROCESS_FAULTS, REFUSALS, type Wait } from './faults.js';
import { flood } from './flood.js';
import type { SingleRedis } from './single-redis.js';

/** The network of one place, or of all. */
function network(
  name: string,
  strike: (proxies: readonly Proxy[], dice: Dice, wait: Wait) => Promise<void>,
): Fault<SingleRedis> {
  return {
    name,
    strike({ redis: { proxies } }, dice, wait) {
      return strike(dice.chance(0.2) ? proxies : [dice.pick(proxies)], dice, wait);
    },
  };
}

const each = (proxies: readonly Proxy[], act: (proxy: Proxy) => void) => proxies.forEach(act);

const reset = network('connections reset', (proxies) => {
  each(proxies, (proxy) => proxy.cut());
  return Promise.resolve();
});

const loseReplies = network('answers lost', async (proxies, dice, wait) => {
  each(proxies, (proxy) => proxy.loseReplies());
  await wait(dice.between(20, 300));
  each(proxies, (proxy) => proxy.cut());
});

const stall = network('network stalls', async (proxies, dice, wait) => {
  each(proxies, (proxy) => proxy.stall());
  await wait(dice.between(100, dice.chance(0.2) ? 5000 : 1500));
  each(proxies, (proxy) => proxy.flow());
});

const refuse = network('connects refused', async (proxies, dice, wait) => {
  each(proxies, (proxy) => proxy.refuse());
  await wait(dice.between(100, 1500));
  each(proxies, (proxy) => proxy.accept());
});

const slice = network('slices of one byte', async (proxies, dice, wait) => {
  each(proxies, (proxy) => proxy.shape({ isSliced: true }));
  await wait(dice.between(500, 1500));
  each(proxies, (proxy) => proxy.shape({}));
});

const latency = network('latency with jitter', async (proxies, dice, wait) => {
  const [least, jitter] = [dice.between(5, 50), dice.between(5, 50)];
  const own = dice.another();
  each(proxies, (proxy) => proxy.shape({ latencyMs: () => least + own.between(0, jitter) }));
  await wait(dice.between(500, 2000));
  each(proxies, (proxy) => proxy.shape({}));
});

const bandwidth = network('bandwidth of 256 KiB/s', async (proxies, dice, wait) => {
  each(proxies, (proxy) => proxy.shape({ bytesPerSecond: 256 * 1024 }));
  await wait(dice.between(500, 2000));
  each(proxies, (proxy) => proxy.shape({}));
});

const vanish: Fault<SingleRedis> = {
  name: 'host vanished',
  async strike({ redis: { hosts } }, dice, wait) {
    const host = dice.pick(hosts);
    if (host.isVanished) return;
    host.vanish();
    await wait(dice.between(300, dice.chance(0.3) ? 8000 : 2500));
    host.comeBack();
  },
};

const redisRestart: Fault<SingleRedis> = {
  name: 'Redis killed, back empty',
  strike: (world, dice, wait) => world.redis.restart(() => wait(dice.between(0, 1000))),
};

const redisFreeze: Fault<SingleRedis> = {
  name: 'Redis frozen',
  async strike(world, dice, wait) {
    world.redis.signal('SIGSTOP');
    // A connection that says nothing for 3 s is given up.
    await wait(dice.between(200, dice.chance(0.3) ? 5000 : 2500));
    world.redis.signal('SIGCONT');
  },
};

const killClients = (type: 'pubsub' | 'normal'): Fault<SingleRedis> => ({
  name: `CLIENT KILL TYPE ${type}`,
  async strike(world, _dice, wait) {
    for (let i = 0; i < 10; i++) {
      await world.redis.admin.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
      await wait(50);
    }
  },
});

const command = (name: string, act: (admin: Redis) => Promise<unknown>): Fault<SingleRedis> => ({
  name,
  strike: async (world) => void (await act(world.redis.admin)),
});

const flushAll = command('FLUSHALL', (admin) => admin.flushall());
const flushScripts = command('SCRIPT FLUSH', (admin) => admin.script('FLUSH'));

const pauseClients: Fault<SingleRedis> = {
  name: 'CLIENT PAUSE',
  async strike(world, dice, wait) {
    const ms = dice.between(100, 1500);
    await world.redis.admin.call('CLIENT', 'PAUSE', ms, dice.pick(['ALL', 'WRITE']));
    await wait(ms);
  },
};

/** Three heartbeats are missed, or fewer. */
const refusalMs = (dice: Dice) => dice.between(500, 5000);

const memoryFull: Fault<SingleRedis> = {
  name: REFUSALS.memory,
  async strike(world, dice, wait) {
    await world.redis.admin.config('SET', 'maxmemory', 1);
    await wait(refusalMs(dice));
    await world.redis.admin.config('SET', 'maxmemory', 0);
  },
};

/** What Redis refuses before a script runs, and what it refuses in the middle of one. */
const RIGHTS = [
  ...['-@all', '-@scripting', '-client|reply'],
  ...['-publish', '-zadd', '-hset', '-hget', '-hmget', '-pexpire', '-time'],
];

const rightsRevoked: Fault<SingleRedis> = {
  name: REFUSALS.rights,
  async strike(world, dice, wait) {
    const taken = dice.pick(RIGHTS);
    await world.redis.admin.call('ACL', 'SETUSER', 'chaos', taken);
    await wait(refusalMs(dice));
    await world.redis.admin.call('ACL', 'SETUSER', 'chaos', '+@all');
  },
};

/** All that can strike a world with one server, anywhere at any time. */
export const SINGLE_FAULTS: readonly Fault<SingleRedis>[] = [
  reset,
  loseReplies,
  stall,
  refuse,
  slice,
  latency,
  bandwidth,
  ...(canMakeNamespaces() ? [vanish] : []),
  ...PROCESS_FAULTS,
  flood,
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
