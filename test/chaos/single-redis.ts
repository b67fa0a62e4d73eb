import { Redis } from 'ioredis';
import { type PrivateRedis, startPrivateRedis } from '../../tools/redis.mjs';
import { canMakeNamespaces, NetworkNamespace } from '../support/network-namespace.js';
import { Proxy } from '../support/proxy.js';
import type { RedisServer, Way } from './redis-server.js';

const USER = ['--user', 'chaos', 'on', '>secret', '~*', '&*', '+@all'];

/**
 * One server, and a fault proxy before each place for processes. Each place is a host of its own, where the machine
 * lets us make networks.
 */
export class SingleRedis implements RedisServer {
  readonly admin: Redis;
  readonly proxies: Proxy[] = [];
  readonly hosts: NetworkNamespace[] = [];
  #isRestarting = false;

  private constructor(private server: PrivateRedis) {
    this.admin = new Redis(server.url, { retryStrategy: () => 50, maxRetriesPerRequest: null });
    // A Redis that is killed is back soon.
    this.admin.on('error', () => undefined);
  }

  static async start(): Promise<SingleRedis> {
    return new SingleRedis(await startPrivateRedis({ args: USER }));
  }

  /** Past all proxies. */
  get url(): string {
    return this.server.url;
  }

  async openWay(): Promise<Way> {
    const host = canMakeNamespaces() ? NetworkNamespace.create() : undefined;
    if (host) this.hosts.push(host);
    const proxy = await Proxy.start(this.server.url, host?.hostAddress);
    this.proxies.push(proxy);
    const redis = { url: proxy.url.replace('//', '//chaos:secret@') };
    return { redis, prefix: host?.prefix ?? [] };
  }

  /** Kills the server and starts it again, empty, after a pause; does nothing if that is being done already. */
  async restart(pause: () => Promise<void>): Promise<void> {
    if (this.#isRestarting) return;
    this.#isRestarting = true;
    const { pid, port, binary, exited } = this.server;
    process.kill(pid, 'SIGKILL');
    await exited;
    await pause();
    this.server = await startPrivateRedis({ args: USER, port, binary });
    this.#isRestarting = false;
  }

  signal(signal: NodeJS.Signals): void {
    // Another fault may have ended it.
    if (!this.#isRestarting) process.kill(this.server.pid, signal);
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
    for (const host of this.hosts) host.remove();
    this.admin.disconnect();
    await this.server.stop();
  }
}
