import { CloudsBadOptionsError, CloudsClosedError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import type { ResolvedOptions } from '../common/options.js';
import { parseCapacity } from '../common/parse-options.js';
import type { Partition } from './partition.js';
import { Registration, type RequestHandler } from './registry.js';

/** What a node serves: puts it into its services, and takes it out. */
export class Serving {
  #leaving: Promise<void> | undefined;
  #isDraining = false;

  constructor(
    private readonly options: ResolvedOptions,
    private readonly partitions: readonly Partition[],
    private readonly partitionOf: (service: string) => Partition,
  ) {}

  /** Whether the node is about to leave. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Requests that handlers are working on. */
  get running(): number {
    return this.partitions.reduce((sum, { running }) => sum + running, 0);
  }

  /** Requests that handlers have settled. */
  get handled(): number {
    return this.partitions.reduce((sum, { handled }) => sum + handled, 0);
  }

  /** Enters a service; `connect` is called when it is registered here, and if it fails it is not. */
  async serve(
    service: string,
    handler: RequestHandler,
    capacity: number | undefined,
    connect: () => Promise<void>,
  ): Promise<void> {
    parseCapacity(capacity);
    if (this.#isDraining) throw new CloudsClosedError(messages.closed());
    const partition = this.partitionOf(service);
    if (partition.registry.get(service) !== undefined) {
      throw new CloudsBadOptionsError(messages.alreadyRegistered(service));
    }
    const registration = new Registration(service, handler, this.options.baseScore, capacity);
    await partition.register(registration);
    try {
      await connect();
    } catch (error) {
      partition.registry.remove(registration);
      throw error;
    }
  }

  /** Leaves a service. Resolves when no more requests for it can arrive; what arrived still runs. */
  async unregister(service: string): Promise<void> {
    const registration = this.partitionOf(service).registry.get(service);
    if (registration) await this.#leaveServices([registration]);
  }

  /** Leaves all services and finishes what runs, for at most `drainTimeout`; then it is cancelled. */
  leave(): Promise<void> {
    this.#leaving ??= this.#leave().finally(() => (this.#leaving = undefined));
    return this.#leaving;
  }

  async #leave(): Promise<void> {
    this.#isDraining = true;
    try {
      await this.#leaveServices(this.partitions.flatMap(({ registry }) => registry.all()));
      const { drainMs } = this.options;
      await Promise.all(this.partitions.map((partition) => partition.drain(drainMs)));
    } finally {
      this.#isDraining = false;
    }
  }

  /** A service that is being left already is waited for. */
  async #leaveServices(registrations: readonly Registration[]): Promise<void> {
    for (const partition of this.partitions) {
      const own = registrations.filter(
        (one) => !one.left && this.partitionOf(one.service) === partition,
      );
      const left = partition.leave(own);
      for (const registration of own) registration.left = left;
    }
    await Promise.all(registrations.map(({ left }) => left ?? Promise.resolve()));
  }
}
