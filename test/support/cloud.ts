import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../tools/redis.mjs';
import type { CloudsOptions } from '../../lib/common/options.js';
import { randomId } from '../../lib/protocol/ids.js';
import { Keys } from '../../lib/protocol/keys.js';
import { CloudsNode } from '../../lib/node/node.js';
import { ChildNode, ChildProgram } from './child-node.js';
import { until } from './wait.js';

/** What of this process can keep it alive. */
const RESOURCES = ['Timeout', 'Immediate', 'TCPSocketWrap', 'ProcessWrap', 'PipeWrap'] as const;

/** A beat so short that what takes some beats is worth waiting for. */
export const FAST_BEAT = { heartbeatInterval: 100 } as const;

/**
 * A cloud of its own for a test file: a prefix, nodes that are closed after each test, and a look at
 * Redis. A test that leaves a connection, a key, a timer or a child process behind fails.
 */
export class TestCloud {
  readonly prefix = `test-${randomId()}:`;
  readonly keys = new Keys(this.prefix);
  url = '';
  admin!: Redis;
  #nodes: CloudsNode[] = [];
  #children: ChildProgram[] = [];

  async open(url: string): Promise<void> {
    this.url = url;
    this.admin = new Redis(url, { lazyConnect: true, connectionName: 'test-admin' });
    // A test may stop its Redis: the connection comes back by itself.
    this.admin.on('error', () => undefined);
    await this.admin.connect();
  }

  /** The options of every node of this cloud, for programs too. */
  options(options: CloudsOptions = {}): CloudsOptions {
    const redis = { url: this.url, connectionName: this.prefix };
    return { redis, prefix: this.prefix, ...options };
  }

  /** A node that is not connected yet. */
  node(options?: CloudsOptions): CloudsNode {
    const node = new CloudsNode(this.options(options));
    this.#nodes.push(node);
    return node;
  }

  async connected(options?: CloudsOptions): Promise<CloudsNode> {
    const node = this.node(options);
    await node.connect();
    return node;
  }

  /** A node in a process of its own, which ends with the test. */
  async child(options?: CloudsOptions, services?: string[]): Promise<ChildNode> {
    const child = await ChildNode.start(this.options(options), services);
    this.#children.push(child);
    return child;
  }

  /** A program of test/integration/programs, which ends with the test. */
  program(name: string, argument: Record<string, unknown> = {}): ChildProgram {
    const program = new ChildProgram(name, { options: this.options(), ...argument });
    this.#children.push(program);
    return program;
  }

  /** The members of a service. */
  members(service: string): Promise<string[]> {
    return this.admin.zrange(this.keys.service(service), '0', '-1');
  }

  /** Free capacity by node id: the floor of every score of a service. */
  async scores(service: string): Promise<Record<string, number>> {
    const flat = await this.admin.zrange(this.keys.service(service), '0', '-1', 'WITHSCORES');
    const scores: Record<string, number> = {};
    for (let i = 0; i < flat.length; i += 2) {
      scores[flat[i]!.split('.')[0]!] = Math.floor(Number(flat[i + 1]));
    }
    return scores;
  }

  /** Waits until the service has these nodes, and each its base score. */
  async silence(service: string, nodes: readonly { id: string }[], base = 1000): Promise<void> {
    const expected = Object.fromEntries(nodes.map(({ id }) => [id, base]));
    let seen: Record<string, number> = {};
    await until('every score is base', async () => {
      seen = await this.scores(service);
      return isEqual(seen, expected);
    }).catch(() => expect(seen, `scores of ${service}`).toEqual(expected));
  }

  /** Cuts the connections of these nodes, or of all nodes of the file, on the server. */
  async cut(nodes?: readonly { ownRedis: unknown }[]): Promise<number> {
    const ids = nodes ? await this.#idsOf(nodes) : await this.#clientIds();
    for (const id of ids) await this.admin.client('KILL', 'ID', id);
    return ids.length;
  }

  /** The server's ids of the connections of nodes of this process. */
  async #idsOf(nodes: readonly { ownRedis: unknown }[]): Promise<string[]> {
    const ids = nodes.map(({ ownRedis }) => (ownRedis as Redis).client('ID'));
    return (await Promise.all(ids)).map(String);
  }

  async closeNodes(): Promise<void> {
    const nodes = this.#nodes;
    this.#nodes = [];
    await Promise.all(nodes.map((node) => node.close()));
  }

  async endChildren(): Promise<void> {
    const children = this.#children;
    this.#children = [];
    await Promise.all(children.map((child) => child.kill()));
  }

  async #clientIds(): Promise<string[]> {
    const list = (await this.admin.client('LIST')) as string;
    const own = list.split('\n').filter((line) => line.includes(`name=${this.prefix} `));
    return own.map((line) => /id=(\d+)/.exec(line)![1]!);
  }

  async expectNothingLeft(): Promise<void> {
    await until('no connection is left', async () => (await this.#clientIds()).length === 0);
    const left = await this.admin.keys(`${this.prefix}*`);
    const lasting: string[] = [];
    for (const key of left) if (!(await this.#isPassing(key))) lasting.push(key);
    if (left.length > 0) await this.admin.unlink(...left);
    expect(lasting, 'keys left behind').toEqual([]);
  }

  /**
   * What killed processes leave and nobody can take away: keys with a TTL go by themselves, members of
   * a service with the next node that serves it.
   */
  async #isPassing(key: string): Promise<boolean> {
    // The table of subscriptions outlives a restart of all that have some; both have a TTL.
    const mayOutlast = [`${this.prefix}F:`, `${this.prefix}W:`].some((start) =>
      key.startsWith(start),
    );
    if (mayOutlast || key === this.keys.subscriptions) return (await this.admin.pttl(key)) !== -1;
    const hadChildren = this.#hadChildren;
    return hadChildren && (key.startsWith(`${this.prefix}S:`) || (await this.admin.pttl(key)) > 0);
  }

  #hadChildren = false;

  async closeAll(): Promise<void> {
    this.#hadChildren = this.#children.length > 0;
    await this.closeNodes();
    await this.endChildren();
  }
}

function isEqual(a: Record<string, number>, b: Record<string, number>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

export function resources(): Record<string, number> {
  const active = process.getActiveResourcesInfo();
  const count = (kind: string) => active.filter((one) => one === kind).length;
  return Object.fromEntries(RESOURCES.map((kind) => [kind, count(kind)]));
}

async function expectNoMoreThan(before: Record<string, number>): Promise<void> {
  const isNoMore = () => {
    const now = resources();
    return RESOURCES.every((kind) => now[kind]! <= before[kind]!);
  };
  await until('no timer, socket or child process is left', isNoMore);
}

/** Sets up a cloud for the file, and checks after every test that nothing of it is left. */
export function useCloud(): TestCloud {
  const cloud = new TestCloud();
  let before: Record<string, number> = {};
  beforeAll(() => cloud.open(inject('redisUrl')));
  beforeEach(() => {
    before = resources();
  });
  afterEach(async () => {
    await cloud.closeAll();
    await cloud.expectNothingLeft();
    await expectNoMoreThan(before);
  });
  afterAll(() => cloud.admin.disconnect());
  return cloud;
}

/** A cloud on a Redis of its own, a new one for each test: it may be stopped, paused and restarted. */
export class PrivateCloud extends TestCloud {
  server!: PrivateRedis;

  /** Ends the server at once; it has saved nothing. */
  async killRedis(): Promise<void> {
    process.kill(this.server.pid, 'SIGKILL');
    await this.server.exited;
  }

  /** Starts the server again where it was, empty. */
  async restartRedis(): Promise<void> {
    const { port, binary } = this.server;
    this.server = await startPrivateRedis({ port, binary });
    await until('the admin is back', () => this.admin.status === 'ready');
  }

  pauseRedis(): void {
    process.kill(this.server.pid, 'SIGSTOP');
  }

  resumeRedis(): void {
    process.kill(this.server.pid, 'SIGCONT');
  }
}

/** The same as `useCloud`, on a Redis of its own. */
export function usePrivateCloud(): PrivateCloud {
  const cloud = new PrivateCloud();
  let before: Record<string, number> = {};
  beforeEach(async () => {
    before = resources();
    cloud.server = await startPrivateRedis();
    await cloud.open(cloud.server.url);
  });
  afterEach(async () => {
    await cloud.closeAll();
    if (cloud.admin.status === 'ready') await cloud.expectNothingLeft();
    cloud.admin.disconnect();
    await cloud.server.stop();
    await expectNoMoreThan(before);
  });
  return cloud;
}
