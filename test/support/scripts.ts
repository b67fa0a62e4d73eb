import { Redis } from 'ioredis';
import { SCRIPTS } from '../../lib/scripts/generated.js';
import type { TestCloud } from './cloud.js';
import { until } from './wait.js';

export type ScriptName = keyof typeof SCRIPTS;

/** Inboxes that the test listens on, in place of nodes. */
export class Inboxes {
  readonly #texts = new Map<string, string[]>();

  private constructor(
    private readonly cloud: TestCloud,
    private readonly client: Redis,
  ) {
    client.on('message', (channel: string, text: string) => {
      this.#texts.get(channel)?.push(text);
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
      this.#texts.set(this.cloud.keys.inbox(incarnation), []);
      await this.client.subscribe(this.cloud.keys.inbox(incarnation));
    }
  }

  async leave(incarnation: string): Promise<void> {
    await this.client.unsubscribe(this.cloud.keys.inbox(incarnation));
  }

  /** All that has arrived for an incarnation; nothing that was published before this call is missing. */
  async texts(incarnation: string): Promise<readonly string[]> {
    await this.client.ping();
    return this.#texts.get(this.cloud.keys.inbox(incarnation)) ?? [];
  }

  async messages(incarnation: string): Promise<unknown[][]> {
    return (await this.texts(incarnation)).map((text) => JSON.parse(text) as unknown[]);
  }

  /** The ids of the requests that have arrived for an incarnation, in order. */
  async requests(incarnation: string): Promise<unknown[]> {
    return (await this.frames(incarnation)).map(([id]) => id);
  }

  /** The frames of these requests. */
  async frames(incarnation: string): Promise<unknown[][]> {
    const messages = await this.messages(incarnation);
    return messages.flatMap((message) => message[5] as unknown[][]);
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

/** A request that has tried nodes; an empty frame for one that only needs a node. */
export interface Ruled {
  readonly nodes: readonly string[];
  readonly again?: boolean;
  /** Goes to all instead. */
  readonly all?: boolean;
  readonly frame: string;
}

export interface Dispatch {
  service?: string;
  caller?: string;
  sequence?: number;
  slots?: number;
  ttlMs?: number;
  frames?: readonly string[];
  /** How many requests more only need a node. */
  large?: number;
  ruled?: readonly Ruled[];
  /** How many calls of the caller wait for room, or will, and 1 if some have waited before. */
  line?: readonly [waiting: number, isWaiting: 0 | 1];
  /** Of the fence; by default the one that it has, or is given. */
  epoch?: string;
  change?: (lua: string) => string;
}

export interface Dispatched {
  readonly redisMs: number;
  /** Per request the member that it went to, or the number that says why it went nowhere. */
  readonly placed: readonly (string | number)[];
  readonly text: string;
}

const NOBODY_WAITS = [0, 0] as const;
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
    frames = [],
    large = 0,
    ruled = [],
    line = NOBODY_WAITS,
    epoch,
    change,
  }: Dispatch,
): Promise<Dispatched> {
  const keys = [cloud.keys.service(service), cloud.keys.fence(caller), cloud.keys.line(service)];
  const header = `"${caller}.1",${JSON.stringify(service)},[`;
  const rules = ruled.map(({ nodes, again = false, all }) => (all ? { all } : { nodes, again }));
  const args = [
    ...[sequence, slots, ttlMs, cloud.keys.inboxPrefix, header],
    ...[frames.length, large, frames.join(',\n')],
    ...[rules.length === 0 ? '' : JSON.stringify(rules), ...line],
    epoch ?? (await epochOf(cloud, caller)),
    ...ruled.map(({ frame }) => frame),
  ];
  return readAnswer(String(await runScript(cloud, 'dispatch', keys, args, change)));
}

function readAnswer(text: string): Dispatched {
  const [ms, runs] = text.split('|') as [string, string];
  const hasNotRun = runs === '' || runs.startsWith('@');
  return { redisMs: Number(ms), placed: hasNotRun ? [] : runs.split(',').flatMap(expand), text };
}

/** Of the fence, if the batch did not run in it. */
export function epochIn({ text }: Dispatched): string {
  const [, epoch] = /^\d+\|@(.+)$/.exec(text) ?? [];
  if (epoch === undefined) throw new Error(`"${text}" says no epoch`);
  return epoch;
}

async function epochOf(cloud: TestCloud, caller: string): Promise<string> {
  const fence = cloud.keys.fence(caller);
  await cloud.admin.hsetnx(fence, 'epoch', 'first');
  return String(await cloud.admin.hget(fence, 'epoch'));
}

/** `a.1*3`: the member `a.1` has the next three requests. A number stands for no member. */
function expand(run: string): (string | number)[] {
  const [who, count] = run.split('*') as [string, string];
  const isMember = who.includes('.');
  return Array<string | number>(Number(count)).fill(isMember ? who : Number(who));
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
