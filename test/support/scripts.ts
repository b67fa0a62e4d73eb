import { Redis } from 'ioredis';
import { SCRIPTS } from '../../lib/scripts/generated.js';
import type { TestCloud } from './cloud.js';
import { until } from './wait.js';

export type ScriptName = keyof typeof SCRIPTS;

/** Inboxes that the test listens on, in place of nodes. */
export class Inboxes {
  readonly #messages = new Map<string, unknown[][]>();

  private constructor(
    private readonly cloud: TestCloud,
    private readonly client: Redis,
  ) {
    client.on('message', (channel: string, text: string) => {
      this.#messages.get(channel)?.push(JSON.parse(text) as unknown[]);
    });
  }

  static async open(cloud: TestCloud, ...incarnations: string[]): Promise<Inboxes> {
    const client = new Redis(cloud.url, { connectionName: cloud.prefix });
    const inboxes = new Inboxes(cloud, client);
    await inboxes.listen(...incarnations);
    return inboxes;
  }

  async listen(...incarnations: string[]): Promise<void> {
    for (const incarnation of incarnations) {
      this.#messages.set(this.cloud.keys.inbox(incarnation), []);
      await this.client.subscribe(this.cloud.keys.inbox(incarnation));
    }
  }

  async leave(incarnation: string): Promise<void> {
    await this.client.unsubscribe(this.cloud.keys.inbox(incarnation));
  }

  /** All that has arrived for an incarnation; nothing that was published before this call is missing. */
  async messages(incarnation: string): Promise<unknown[][]> {
    await this.client.ping();
    return this.#messages.get(this.cloud.keys.inbox(incarnation)) ?? [];
  }

  /** The ids of the requests that have arrived for an incarnation, in order. */
  async requests(incarnation: string): Promise<unknown[]> {
    const messages = await this.messages(incarnation);
    return messages.flatMap((message) => (message[5] as unknown[][]).map(([id]) => id));
  }

  async close(): Promise<void> {
    this.client.disconnect();
    await until('the inboxes are closed', () => this.client.status === 'end');
  }
}

/** Runs a script's text as it is shipped, or changed by the test. */
export function runScript(
  cloud: TestCloud,
  name: ScriptName,
  keys: readonly string[],
  args: readonly (string | number)[],
  change: (lua: string) => string = (lua) => lua,
): Promise<unknown> {
  return cloud.admin.eval(change(SCRIPTS[name]), keys.length, ...keys, ...args);
}

export interface Dispatch {
  service?: string;
  caller?: string;
  sequence?: number;
  slots?: number;
  ttlMs?: number;
  tried?: Record<string, { nodes: string[]; again: boolean }>;
  frames: readonly string[];
  change?: (lua: string) => string;
}

export interface Dispatched {
  readonly redisMs: number;
  /** Per request the member that it went to, or the number that says why it went nowhere. */
  readonly placed: readonly (string | number)[];
  readonly text: string;
}

let sequences = 0;

/** Runs the dispatch script as a caller does. */
export async function dispatch(
  cloud: TestCloud,
  {
    service = 'work',
    caller = 'caller',
    sequence = ++sequences,
    slots = 256,
    ttlMs = 60_000,
    tried,
    frames,
    change,
  }: Dispatch,
): Promise<Dispatched> {
  const keys = [cloud.keys.service(service), cloud.keys.fence(caller)];
  const header = `"${caller}.1",${JSON.stringify(service)},[`;
  const exclusions = tried ? JSON.stringify(tried) : '';
  const args = [sequence, slots, ttlMs, cloud.keys.inboxPrefix, header, exclusions, ...frames];
  const text = String(await runScript(cloud, 'dispatch', keys, args, change));
  const [ms, members, numbers] = text.split('|') as [string, string, string];
  const placed = numbers.split(',').map((number) => {
    const index = Number(number);
    return index > 0 ? members.split(',')[index - 1]! : index;
  });
  return { redisMs: Number(ms), placed, text };
}

/** Small request frames with these ids. */
export function frames(...ids: (string | number)[]): string[] {
  return ids.map((id) => `["${id}",60000,1,0,"data"]`);
}

/** How often each value occurs. */
export function count(values: readonly unknown[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[String(value)] = (counts[String(value)] ?? 0) + 1;
  return counts;
}
