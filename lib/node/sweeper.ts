import { incarnationOfMember } from '../protocol/ids.js';
import type { Keys } from '../protocol/keys.js';
import type { Answer, RedisPort } from '../redis/link.js';
import { lookUp, type Sighting } from './look-up.js';

const MEMBERS_PER_COMMAND = 500;
const SAMPLE_SIZE = 8;
const SCAN_COUNT = 500;

/** Takes nodes that are gone out of the sets of services. What Redis refuses rejects. */
export class Sweeper {
  constructor(
    private readonly redis: RedisPort,
    private readonly keys: Keys,
  ) {}

  /** Looks at a few members, drawn at random: the fleet together sees all of them in a beat or two. */
  async sample(service: string): Promise<number> {
    const [answer] = await this.redis.pipeline([
      ['zrandmember', this.keys.service(service), SAMPLE_SIZE],
    ]);
    return this.#removeDead(service, membersIn(answer));
  }

  /** Looks at every member of a service. Resolves to how many were taken out. */
  async clean(service: string): Promise<number> {
    const [answer] = await this.redis.pipeline([['zrange', this.keys.service(service), 0, -1]]);
    const members = membersIn(answer);
    let removed = 0;
    for (let first = 0; first < members.length; first += MEMBERS_PER_COMMAND) {
      removed += await this.#removeDead(service, members.slice(first, first + MEMBERS_PER_COMMAND));
    }
    return removed;
  }

  /** The names of all services under the prefix. */
  async services(): Promise<string[]> {
    const names = new Set<string>();
    let cursor = '0';
    do {
      const [answer] = await this.redis.pipeline([
        ['scan', cursor, 'MATCH', this.keys.everyService(), 'COUNT', SCAN_COUNT],
      ]);
      const [next, found] = granted(answer) as [string, string[]];
      for (const key of found) names.add(this.keys.serviceOf(key));
      cursor = next;
    } while (cursor !== '0');
    return [...names];
  }

  /** Gone is who has no inbox, or who has not beaten for so long that its entry has run out. */
  async #removeDead(service: string, members: readonly string[]): Promise<number> {
    const sightings = await lookUp(this.redis, this.keys, members.map(incarnationOfMember));
    const isDead = ({ hasInbox, present }: Sighting) => !hasInbox || present === undefined;
    const dead = members.filter((_, index) => isDead(sightings[index]!));
    if (dead.length === 0) return 0;
    const [removed] = await this.redis.pipeline([['zrem', this.keys.service(service), ...dead]]);
    return Number(granted(removed));
  }
}

function membersIn(answer: Answer | undefined): string[] {
  const members = granted(answer);
  return Array.isArray(members) ? (members as string[]) : [];
}

function granted(answer: Answer | undefined): unknown {
  if (answer?.error) throw answer.error;
  return answer?.value;
}
