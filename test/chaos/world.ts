import { rm, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CloudsOptions } from '../../lib/index.js';
import { Keys } from '../../lib/protocol/keys.js';
import { until } from '../support/wait.js';
import { Dice } from './dice.js';
import { type HistoryEvent, readHistory } from './history.js';
import type { RedisServer } from './redis-server.js';
import { type Cost, EVENT } from './programs/messages.js';
import { unansweredOf, wrongScoreOf } from './rest.js';
import { Slot, type SlotPlan } from './slot.js';

const PREFIX = 'chaos:';
const KEYS = new Keys(PREFIX);
/** Of a node that has no capacity. */
const BASE_SCORE = 1000;
/** How long the scores may take to come back when all is quiet. */
const SCORES_MS = 5000;

/** How long after the last fault calls may still fail: a process that was frozen has its old calls first. */
const RECOVERY_MS = 10_000;
const LOOK_MS = 500;

export interface WorldPlan<R extends RedisServer> {
  readonly seed: number;
  readonly startRedis: () => Promise<R>;
  readonly nodes: number;
  readonly callers: number;
  /** Of each caller. */
  readonly callsPerSecond: number;
  readonly options?: CloudsOptions;
  /** Whether what happens is noted. */
  readonly hasHistory?: boolean;
  /** Instead of those that follow. */
  readonly services?: SlotPlan['services'];
  readonly cost?: Cost;
  readonly timeoutMs?: number;
  readonly isPatient?: boolean;
}

/** The services of every node; one has a limit. */
const SERVICES = { plain: {}, tight: { capacity: 8 } } as const;
/** Every node belongs to all of them. */
const GROUPS = ['audit', 'mail'];
const TARGETS = ['plain', 'plain', 'plain', 'tight'];

/** A Redis, and nodes and callers in processes of their own. */
export class World<R extends RedisServer = RedisServer> {
  readonly slots: Slot[] = [];

  private constructor(
    readonly plan: WorldPlan<R>,
    private readonly directory: string,
    readonly redis: R,
  ) {}

  static async open<R extends RedisServer>(plan: WorldPlan<R>): Promise<World<R>> {
    const redis = await plan.startRedis();
    const directory = await mkdtemp(path.join(tmpdir(), 'clouds-chaos-'));
    const world = new World(plan, directory, redis);
    try {
      await world.#populate();
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  get nodes(): Slot[] {
    return this.slots.filter(({ serves }) => serves);
  }

  get callers(): Slot[] {
    return this.slots.filter(({ serves }) => !serves);
  }

  /** The channel in which a node gets its messages; undefined if it serves nothing just now. */
  async inboxOf({ nodeId }: Slot): Promise<string | undefined> {
    const [service] = Object.keys(this.#services);
    const members = await this.redis.admin.zrange(KEYS.service(service!), '0', '-1');
    const member = members.find((one) => one.split('.')[0] === nodeId);
    return member && KEYS.inbox(member.replace('!', ''));
  }

  /** The services that may refuse calls. */
  get limited(): ReadonlySet<string> {
    const services = Object.entries(this.#services);
    return new Set(services.flatMap(([name, { capacity }]) => (capacity ? [name] : [])));
  }

  /** Those that get what is published. */
  get groups(): readonly string[] {
    return this.#hasGroups ? GROUPS : [];
  }

  /** When all faults are over: the callers that are not answered any more. */
  async unanswered(): Promise<string[]> {
    let left = this.callers;
    // What was counted so far is of the time before.
    await Promise.all(left.map((slot) => slot.report()));
    const end = performance.now() + RECOVERY_MS;
    while (left.length > 0 && performance.now() < end) {
      await delay(LOOK_MS);
      const reports = await Promise.all(left.map((slot) => slot.report()));
      left = unansweredOf(left, reports);
    }
    return left.map(({ name }) => name);
  }

  /** Says what is wrong with the scores when nothing runs; undefined if they are as they should be. */
  async wrongScores(): Promise<string | undefined> {
    let wrong: string | undefined;
    try {
      await until('', async () => (wrong = await this.#wrongScores()) === undefined, SCORES_MS);
    } catch (error) {
      const running = await Promise.all(this.nodes.map((slot) => slot.report()));
      return `${wrong ?? String(error)}, running: ${running.map((report) => report?.running).join(' ')}`;
    }
    return undefined;
  }

  /** Ends all processes that are left, and returns what all have seen. */
  async finish(): Promise<HistoryEvent[]> {
    await Promise.all(this.slots.map((slot) => slot.close()));
    if (!this.#hasHistory) return [];
    return this.slots.flatMap(({ name }) => readHistory(this.#fileOf(name)));
  }

  async close(): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.kill()));
    await this.redis.close();
    await rm(this.directory, { recursive: true });
  }

  async #populate(): Promise<void> {
    const { nodes, callers, callsPerSecond } = this.plan;
    for (let i = 1; i <= nodes; i++) await this.#add(`node-${i}`, this.#services, 0);
    for (let i = 1; i <= callers; i++) await this.#add(`caller-${i}`, {}, callsPerSecond);
    await Promise.all(this.nodes.map((slot) => slot.start()));
    await Promise.all(this.callers.map((slot) => slot.start()));
  }

  async #add(name: string, services: SlotPlan['services'], callsPerSecond: number): Promise<void> {
    const { redis, prefix } = await this.redis.openWay();
    const plan: SlotPlan = {
      services,
      groups: callsPerSecond === 0 ? this.groups : [],
      targets: this.plan.services ? Object.keys(this.plan.services) : TARGETS,
      callsPerSecond,
      leaves: this.#hasHistory,
      cost: this.plan.cost,
      timeoutMs: this.plan.timeoutMs,
      isPatient: this.plan.isPatient,
      historyFile: this.#hasHistory ? this.#fileOf(name) : undefined,
      options: { prefix: PREFIX, redis, connectTimeout: 60_000, ...this.plan.options },
    };
    this.slots.push(new Slot(name, plan, new Dice(this.plan.seed, this.slots.length), prefix));
  }

  get #hasHistory(): boolean {
    return this.plan.hasHistory !== false;
  }

  get #services(): SlotPlan['services'] {
    return this.plan.services ?? SERVICES;
  }

  /** Where all calls cost the same, nothing is published. */
  get #hasGroups(): boolean {
    return this.plan.cost === undefined;
  }

  /** With those of the groups. */
  get #allServices(): SlotPlan['services'] {
    return {
      ...this.#services,
      ...Object.fromEntries(this.groups.map((group) => [`@${group}/${EVENT}`, {}])),
    };
  }

  #fileOf(name: string): string {
    return path.join(this.directory, `${name}.jsonl`);
  }

  async #wrongScores(): Promise<string | undefined> {
    const living = this.nodes.filter(({ isRunning }) => isRunning).map(({ nodeId }) => nodeId);
    for (const [service, { capacity = BASE_SCORE }] of Object.entries(this.#allServices)) {
      const flat = await this.redis.admin.zrange(KEYS.service(service), '0', '-1', 'WITHSCORES');
      const wrong = wrongScoreOf({ service, capacity, flat }, living);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }
}
