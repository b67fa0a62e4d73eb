import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Fault } from './faults.js';
import type { SingleRedis } from './single-redis.js';

const FLOODER = fileURLToPath(new URL('./programs/flooder.js', import.meta.url));

export const FLOOD = 'frozen node flooded';

/** A node is sent more than Redis keeps for it while it reads nothing; what it gets is not even JSON. */
export const flood: Fault<SingleRedis> = {
  name: FLOOD,
  async strike(world, dice, wait) {
    const slot = dice.pick(world.nodes);
    const inbox = await world.inboxOf(slot);
    slot.signal('SIGSTOP');
    try {
      if (inbox !== undefined) await fill(world.redis.url, inbox);
      await wait(dice.between(500, 2000));
    } finally {
      slot.signal('SIGCONT');
    }
  },
};

/** In a process of its own: the proxies of all places live in this one, and would stand still. */
async function fill(url: string, inbox: string): Promise<void> {
  const flooder = spawn(process.execPath, [FLOODER, url, inbox], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  await once(flooder, 'exit');
}
