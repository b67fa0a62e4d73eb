import { EventEmitter } from 'node:events';
import { hostname } from 'node:os';
import { SECOND, within } from '../common/durations.js';
import { CloudsDisconnectedError, type CloudsError } from '../common/errors.js';
import { guarded } from '../common/guarded.js';
import { messages } from '../common/messages.js';
import type { CloudsOptions, ResolvedOptions } from '../common/options.js';
import { parseGroup, parseOptions } from '../common/parse-options.js';
import { randomId } from '../protocol/ids.js';
import { checkServiceName } from '../protocol/names.js';
import { subscriptionService } from '../protocol/subscriptions.js';
import { isRedisReply, Link } from '../redis/link.js';
import type { Call, ReplySink } from './call.js';
import { type CallOptions, NO_OPTIONS } from './call-options.js';
import { Caller } from './caller.js';
import { Cleaner } from './cleaner.js';
import { DropLog } from './drop-log.js';
import { toRequestHandler, type ServiceHandler } from './handlers.js';
import type { CloudsNodeEvents, CloudsNodeStats } from './node-events.js';
import { Outgoing } from './outgoing.js';
import { Partition } from './partition.js';
import type { Reporter } from './ports.js';
import { PromiseSink } from './promise-sink.js';
import { Publisher } from './publisher.js';
import type { RequestHandler } from './registry.js';
import { openScopes, outsideOfRequests } from './request-scope.js';
import { Serving } from './serving.js';
import { Session } from './session.js';
import { type OpenedStream, ValueStream } from './value-stream.js';

/** How long `close()` waits for one-way calls to reach Redis. */
const FLUSH_MS = 1 * SECOND;

/** How a node takes events. */
export interface SubscribeOptions {
  /** Each event goes to one node of every group. Default: the option `group` of the node. */
  group?: string;
  /** How many of these events the node handles at once. Default: the option `capacity` of the node. */
  capacity?: number;
}

/** How a node serves. */
export interface RegisterOptions {
  /** How many calls of this service the node runs at once. Default: the option `capacity` of the node. */
  capacity?: number;
}

/**
 * One process in the cloud: it serves, calls, or both, over one connection to Redis. Free of Nest.
 *
 * States: idle -> connecting -> connected -> closing -> idle. A call made while idle connects; one made
 * while Redis is away waits up to its timeout.
 */
export class CloudsNode {
  /** Unique for the life of this object. */
  readonly id = randomId();
  /** The options that it was made with, with every default filled in. Keys of `signing` are among them. */
  readonly options: ResolvedOptions;
  /** Every client and server of the node listens, and applications may have many. */
  readonly #events = new EventEmitter<CloudsNodeEvents>().setMaxListeners(0);
  readonly #link: Link;
  readonly #caller: Caller;
  readonly #partitions: readonly Partition[];
  readonly #cleaner: Cleaner;
  readonly #drops = new DropLog((text) => this.#tell('warning', text));
  readonly #session: Session;
  readonly #serving: Serving;
  readonly #outgoing: Outgoing;

  /**
   * Nothing is connected yet. With `makesCalls: false` requests have a scope only once somebody has made a call.
   * @throws CloudsBadOptionsError
   */
  constructor(options: CloudsOptions = {}, /* @internal */ { makesCalls } = { makesCalls: true }) {
    this.options = parseOptions(options);
    if (makesCalls) openScopes();
    this.#link = new Link(this.options.redis, this.options.connectMs);
    this.#caller = new Caller(this.options, {
      moved: (call, reason) => this.#onMoved(call, reason),
      timedOut: (call) => this.#cleaner.cleanSoon(call.service),
    });
    const reporter = {
      dropped: this.#drops.add.bind(this.#drops),
      eventDropped: this.#drops.addEvent.bind(this.#drops),
      refusedAsFull: this.#drops.addRefusal.bind(this.#drops),
      error: (error: Error) => this.#tell('warning', error.message),
    };
    const describe = () => this.#describe();
    // One today. On a Redis Cluster there will be several, one per hash tag.
    this.#partitions = [
      new Partition(this.id, this.options, this.#link, this.#caller, describe, reporter),
    ];
    this.#cleaner = new Cleaner(
      (service) => this.#partitionOf(service).sweeper,
      () => this.#partitions.map(({ sweeper }) => sweeper),
      this.options.cleanIntervalMs,
    );
    this.#session = new Session(this.#link, this.#partitions, {
      onConnected: () => this.#tell('connected'),
      onReconnecting: () => this.#tell('reconnecting'),
      onClosed: () => this.#tell('disconnected'),
      onConnectFailed: (error) => this.#caller.close(() => error as CloudsError),
      onWarning: (message) => this.#tell('warning', message),
    });
    const partitionOf = (service: string) => this.#partitionOf(service);
    this.#serving = new Serving(this.options, this.#partitions, partitionOf);
    this.#outgoing = this.#createOutgoing(reporter);
  }

  #createOutgoing(reporter: Reporter): Outgoing {
    const pathOf = (service: string) => this.#partitionOf(service);
    const { subscriptions } = this.#partitions[0]!;
    const publisher = new Publisher(this.#caller, subscriptions, pathOf, reporter);
    return new Outgoing(this.options, this.#caller, publisher, this.#session, pathOf);
  }

  /** Listens to an event; see `CloudsNodeEvents`. */
  on<E extends keyof CloudsNodeEvents>(
    event: E,
    listener: (...args: CloudsNodeEvents[E]) => void,
  ): this {
    this.#events.on(event, listener as never);
    return this;
  }

  /** Takes a listener away. */
  off<E extends keyof CloudsNodeEvents>(
    event: E,
    listener: (...args: CloudsNodeEvents[E]) => void,
  ): this {
    this.#events.off(event, listener as never);
    return this;
  }

  /**
   * An ioredis client with the settings of the node, for the application; for `unwrap()`. It is made when it is first
   * asked for, and ends with the node's own connection; undefined while there is none.
   */
  get redis(): unknown {
    return this.#link.spare;
  }

  /** @internal The connection of the node itself. */
  get ownRedis(): unknown {
    return this.#link.client;
  }

  /** Whether there is a connection, on which all that the node needs is done. */
  get isConnected(): boolean {
    return this.#session.isConnected;
  }

  /** What the node is doing, for people and for metrics. */
  get stats(): CloudsNodeStats {
    return {
      id: this.id,
      isConnected: this.isConnected,
      isDraining: this.#serving.isDraining,
      inFlight: this.#caller.inFlight,
      running: this.#serving.running,
      handled: this.#serving.handled,
      dropped: this.#drops.counts(),
    };
  }

  /**
   * Connects, and stays connected until `close()`. Calling it again, at the same time or later, is free.
   * @throws CloudsDisconnectedError if Redis cannot be reached within `connectTimeout`, or refuses.
   * @throws CloudsBadOptionsError if the server is too old.
   * @throws CloudsClosedError if `close()` was called meanwhile.
   */
  connect(): Promise<void> {
    return outsideOfRequests(() => this.#session.connect());
  }

  /**
   * Serves `service` with a function of the data and the request. What it returns is the reply: a value,
   * a promise, or an async iterable, whose values make a stream. What it throws fails the call.
   * Connects if need be.
   * @throws CloudsBadNameError, CloudsBadOptionsError if the service is registered here already, and what
   * `connect()` throws.
   */
  register(service: string, handler: ServiceHandler, options?: RegisterOptions): Promise<void> {
    return this.serve(service, toRequestHandler(handler), options);
  }

  /** Serves `service` with a handler that settles each request itself: see `IncomingRequest`. Throws what `register()` throws. */
  async serve(
    service: string,
    handler: RequestHandler,
    options: RegisterOptions = {},
  ): Promise<void> {
    checkServiceName(service);
    await this.#serve(service, handler, options);
  }

  /**
   * Takes events with a function of the data and the request, as one of its group. Of a `pattern` like `user.*` the
   * star stands for one token between dots, of `user.>` the sign at the end for one or more.
   * @throws CloudsBadNameError, CloudsBadOptionsError if the pattern has a handler in that group here already, and
   * what `connect()` throws.
   */
  subscribe(pattern: string, handler: ServiceHandler, options?: SubscribeOptions): Promise<void> {
    return this.serveEvents(pattern, toRequestHandler(handler), options);
  }

  /** The same with a handler that settles each request itself: see `IncomingRequest`. Throws what `subscribe()` throws. */
  async serveEvents(
    pattern: string,
    handler: RequestHandler,
    options: SubscribeOptions = {},
  ): Promise<void> {
    await this.#serve(this.#subscription(pattern, options.group), handler, options);
  }

  #serve(
    service: string,
    handler: RequestHandler,
    { capacity = this.options.capacity }: RegisterOptions,
  ): Promise<void> {
    return this.#serving.serve(service, handler, capacity, () => this.connect());
  }

  /** Stops serving `service`. Resolves when no more requests for it can arrive; what arrived still runs. Never rejects. */
  unregister(service: string): Promise<void> {
    return this.#serving.unregister(service);
  }

  /** Takes no more events with this pattern, in this group. What arrived still runs. */
  async unsubscribe(pattern: string, { group }: SubscribeOptions = {}): Promise<void> {
    await this.#serving.unregister(this.#subscription(pattern, group));
  }

  #subscription(pattern: string, group: string | undefined): string {
    checkServiceName(pattern);
    return subscriptionService({
      pattern,
      group: group === undefined ? this.options.group : parseGroup(group),
    });
  }

  /**
   * Calls `service`, by default with one attempt, and resolves to its result. Of a stream it is the last value.
   * Rejects with a CloudsError, of which docs/errors.md has all codes, or with what the handler threw.
   */
  send<T = unknown>(
    service: string,
    data?: unknown,
    options: CallOptions = NO_OPTIONS,
  ): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      this.request(service, data, options, new PromiseSink(resolve, reject));
    }) as Promise<T>;
  }

  /**
   * Calls `service` with up to `attempts` attempts, each on another node while there is one; -1 for no limit. The handler
   * may run more than once. Rejects as `send` does.
   */
  pemit<T = unknown>(
    attempts: number,
    service: string,
    data?: unknown,
    options: CallOptions = NO_OPTIONS,
  ): Promise<T> {
    return this.send<T>(service, data, { ...options, attempts });
  }

  /**
   * Sends an event to one node of every group that subscribes to its name, or with `broadcast` to every node. If
   * nobody subscribes, it goes to the service of that name. Resolves when all have it in their inboxes.
   * @throws CloudsNoNodeError if there is nobody, and what `emit` throws.
   */
  publish(event: string, data?: unknown, options: CallOptions = NO_OPTIONS): Promise<void> {
    return new Promise<unknown>((resolve, reject) => {
      this.#outgoing.publish(event, data, options, new PromiseSink(resolve, reject));
    }) as Promise<void>;
  }

  /** Sends `data` one-way. Resolves when one node has it in its inbox, and rejects with a CloudsError if none has. */
  emit(service: string, data?: unknown, options: CallOptions = NO_OPTIONS): Promise<void> {
    return new Promise<unknown>((resolve, reject) => {
      this.#outgoing.request(service, data, options, true, new PromiseSink(resolve, reject));
    }) as Promise<void>;
  }

  /** The same as `send` for those who want every value; all errors go to the sink. Returns a function that cancels the call. */
  request(service: string, data: unknown, options: CallOptions, sink: ReplySink): () => void {
    return this.#outgoing.request(service, data, options, false, sink);
  }

  /**
   * Calls `service` when the first value is asked for, and gives the values of its stream one by one. The node that
   * sends them goes on as they are taken; `timeout` does not run while some that have arrived are not. Leaving the loop
   * cancels the call, and what fails it is thrown there; a consumer that may stop without leaving sets a `deadline`.
   */
  stream<T = unknown>(
    service: string,
    data?: unknown,
    options: CallOptions = NO_OPTIONS,
  ): AsyncIterableIterator<T> {
    return new ValueStream<T>((sink) => this.openStream(service, data, options, sink));
  }

  /** @internal `stream` for those who say themselves what they have consumed. */
  openStream(
    service: string,
    data: unknown,
    options: CallOptions,
    sink: ReplySink,
  ): OpenedStream | undefined {
    return this.#outgoing.stream(service, data, options, sink);
  }

  /**
   * Takes nodes that are gone out of all services under the prefix. Resolves to how many memberships went.
   * @throws CloudsDisconnectedError if Redis cannot be reached, or refuses.
   */
  async clean(): Promise<number> {
    await this.connect();
    try {
      return await this.#cleaner.cleanAll();
    } catch (error) {
      const { message } = error as Error;
      const text = isRedisReply(error) ? messages.cleanRefused : messages.cleanFailed;
      throw new CloudsDisconnectedError(text(message), { cause: error });
    }
  }

  /**
   * Stops serving: the node leaves its services, and what it has is finished, for at most `drainTimeout`;
   * then it is cancelled. Calls can still be made.
   */
  leave(): Promise<void> {
    return this.#serving.leave();
  }

  /**
   * Leaves, fails the calls that are out with `CLOUDS_CLOSED`, and disconnects. Nothing keeps the process
   * alive after it. Calls then fail, until `connect()` is called again.
   */
  close(): Promise<void> {
    return this.#session.close(
      () => this.#finish(),
      () => this.#caller.close(),
    );
  }

  /** Events that were emitted just before the end are on their way when it comes. */
  async #finish(): Promise<void> {
    await this.leave();
    if (this.isConnected) await within(FLUSH_MS, this.#caller.oneWaysSettled());
  }

  /** The partition of a service; with several, by a hash of the name. */
  #partitionOf(_service: string): Partition {
    return this.#partitions[0]!;
  }

  #onMoved({ service, id, attempt }: Call, reason: CloudsError): void {
    this.#tell('moved', { service, callId: id, attempt, reason });
  }

  /** A listener that throws must not stop what it is told about. */
  #tell<E extends keyof CloudsNodeEvents>(event: E, ...args: CloudsNodeEvents[E]): void {
    guarded(() => this.#events.emit(event, ...(args as never)));
  }

  // --- what the node says about itself ---

  #describe(): Record<string, unknown> {
    const { running, handled, isDraining } = this.#serving;
    return { host: hostname(), pid: process.pid, running, handled, isDraining };
  }
}
