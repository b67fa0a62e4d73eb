import type { Fault } from './faults.js';
import type { SingleRedis } from './single-redis.js';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
/** How many frames of how many bytes, smaller ones first. Redis drops a subscriber for which 32 MiB wait. */
const FRAMES: readonly (readonly [count: number, bytes: number])[] = [
  [1000, 1],
  [1000, KIBIBYTE],
  [16, MEBIBYTE],
  [2, 8 * MEBIBYTE],
  [1, 31 * MEBIBYTE],
  [1, 40 * MEBIBYTE],
];

export const FLOOD = 'frozen node flooded';

/** A node is sent more than Redis keeps for it while it reads nothing; what it gets is not even JSON. */
export const flood: Fault<SingleRedis> = {
  name: FLOOD,
  async strike(world, dice, wait) {
    const slot = dice.pick(world.nodes);
    const inbox = await world.inboxOf(slot);
    slot.signal('SIGSTOP');
    try {
      if (inbox !== undefined) await fill(world.redis, inbox);
      await wait(dice.between(500, 2000));
    } finally {
      slot.signal('SIGCONT');
    }
  },
};

/** Until nobody listens there any more. */
async function fill({ admin }: SingleRedis, inbox: string): Promise<void> {
  for (const [count, bytes] of FRAMES) {
    const frame = Buffer.alloc(bytes, '[');
    const published = Array.from({ length: count }, () => admin.publish(inbox, frame));
    // Another fault may take Redis away meanwhile.
    const receivers = await Promise.all(published).catch(() => [0]);
    if (receivers.includes(0)) return;
  }
}
