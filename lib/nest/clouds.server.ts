import { Logger } from '@nestjs/common';
import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import type { Observable } from 'rxjs';
import { CloudsBadOptionsError, CloudsCancelledError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import { parseCapacity, parseGroup } from '../common/parse-options.js';
import type { IncomingRequest } from '../node/incoming-request.js';
import { CloudsNode } from '../node/node.js';
import type { RequestHandler } from '../node/registry.js';
import { isWildcard, matchesWildcard } from '../protocol/subscriptions.js';
import { CloudsContext } from './clouds.context.js';
import { type CloudsEventsMap, type CloudsStatus, followStatus, logFor } from './clouds.events.js';
import { teachFilterOfNest } from './coded-exceptions.js';
import { EventHandlers } from './event-handlers.js';
import {
  checkPacketOptions,
  type CloudsPacketOptions,
  type CloudsTransportOptions,
  splitOptions,
} from './packets.js';
import { type HandlerPorts, type MessageRunner, PatternHandler } from './pattern-handler.js';
import { makeCloudsErrorsRpcExceptions } from './rpc-errors.js';
import { ServerPackets } from './server-packets.js';

/** Identifies the transport to Nest and to instrumentation. */
export const CLOUDS_TRANSPORT = Symbol('clouds');

/**
 * The transport strategy: `createMicroservice(AppModule, { strategy: new CloudsServer(options) })`. Every
 * pattern of the application becomes a service of its node.
 */
export class CloudsServer extends Server<CloudsEventsMap> implements CustomTransportStrategy {
  static {
    makeCloudsErrorsRpcExceptions();
    teachFilterOfNest();
  }

  override readonly transportId = CLOUDS_TRANSPORT;
  protected override readonly logger = new Logger('CloudsServer');
  private readonly node: CloudsNode;
  private readonly ownsNode: boolean;
  private readonly packets: CloudsPacketOptions;

  /**
   * With options the server makes a node of its own; with a node it shares that one, and leaves its
   * closing to others. `packets` is for a serializer or deserializer beside a node. Nothing is connected yet.
   * @throws CloudsBadOptionsError
   */
  constructor(
    nodeOrOptions: CloudsNode | CloudsTransportOptions = {},
    packets?: CloudsPacketOptions,
  ) {
    super();
    const own = nodeOrOptions instanceof CloudsNode ? undefined : splitOptions(nodeOrOptions);
    this.packets = { ...own?.packets, ...packets };
    checkPacketOptions(this.packets);
    this.initializeSerializer(this.packets);
    this.initializeDeserializer(this.packets);
    this.ownsNode = own !== undefined;
    this.node = own
      ? new CloudsNode(own.node, { makesCalls: false })
      : (nodeOrOptions as CloudsNode);
    if (this.ownsNode) logFor(this.node, this.logger);
    followStatus(this.node, (status) => this._status$.next(status));
  }

  /** The state of the connection, from now on. */
  override get status(): Observable<CloudsStatus> {
    return super.status as Observable<CloudsStatus>;
  }

  /**
   * Nest makes one Observable of all handlers of an event, which the first of them that fails ends for all. It finds the others by
   * `next`, which is set here on what stands for a handler: they are linked for whoever reads them, and run each by itself.
   */
  override addHandler(
    pattern: unknown,
    callback: MessageHandler,
    isEventHandler = false,
    extras: Record<string, unknown> = {},
  ): void {
    const handler: MessageHandler = isEventHandler
      ? (data: unknown, context: unknown) => callback(data, context)
      : callback;
    super.addHandler(pattern, handler, isEventHandler, extras);
  }

  /** The handler of this pattern or, for an event that has none, of a wildcard that stands for it. */
  override getHandlerByPattern(pattern: string): MessageHandler | null {
    const own = super.getHandlerByPattern(pattern);
    if (own !== null) return own;
    const isMatch = (known: string) => isWildcard(known) && matchesWildcard(known, pattern);
    const [, handler] = [...this.messageHandlers].find(([known]) => isMatch(known)) ?? [];
    return handler ?? null;
  }

  /** Registers every handler and connects. `callback` gets the error if that fails. */
  async listen(callback: (error?: unknown) => void): Promise<void> {
    const taken: Withdrawal[] = [];
    try {
      const services = [...this.messageHandlers].map((entry) => this.serviceOf(...entry));
      const served = services.map((service) => this.serve(service, taken));
      // What is still under way could not be withdrawn.
      await Promise.allSettled(served);
      await Promise.all(served);
      await this.node.connect();
    } catch (error) {
      // So that it can be tried again.
      await Promise.allSettled(taken.map((withdraw) => withdraw()));
      return callback(error);
    }
    callback();
  }

  /**
   * Leaves all services, finishes what runs, for at most `drainTimeout` (10 s by default), and disconnects. One that shares
   * its node leaves that to the owner of the node.
   */
  async close(): Promise<void> {
    if (this.ownsNode) await this.node.close();
    else await this.node.leave();
  }

  /** Listens to what happens to the connection, before `listen()` or later: see `CloudsEventsMap`. */
  override on<E extends keyof CloudsEventsMap>(event: E, callback: CloudsEventsMap[E]): void {
    this.node.on(event, callback);
  }

  /**
   * An ioredis client with the settings of the transport, on a connection of its own.
   * @throws Error before `listen()`.
   */
  unwrap<T>(): T {
    if (this.node.redis === undefined) {
      throw new Error('Not connected. Call "listen" or "startAllMicroservices" before "unwrap".');
    }
    return this.node.redis as T;
  }

  /** @throws CloudsBadOptionsError */
  private serviceOf(pattern: string, handler: MessageHandler): Service {
    const runner = this.runnerOf(handler);
    const handle = (request: IncomingRequest) => this.handle(runner, request);
    const isEvent = handler.isEventHandler === true;
    return {
      pattern,
      isEvent,
      run: ServerPackets.around(this.packets, this.logger, handle),
      capacity: capacityOf(pattern, handler),
      group: isEvent ? groupOf(pattern, handler) : undefined,
    };
  }

  /**
   * An event may be called as well, as with every transport of Nest, but for a wildcard, which is no name. What is to be
   * withdrawn is told at once: the node may have others of that name, of another server.
   */
  private async serve(service: Service, taken: Withdrawal[]): Promise<void> {
    const { node } = this;
    const { pattern, isEvent, run, capacity, group } = service;
    if (isEvent) {
      await node.serveEvents(pattern, run, { group, capacity });
      taken.push(() => node.unsubscribe(pattern, { group }));
    }
    if (isEvent && isWildcard(pattern)) return;
    await node.serve(pattern, run, { capacity });
    taken.push(() => node.unregister(pattern));
  }

  /** A start hook that throws before it goes on must not cost the message, nor one that takes long have it run in vain. */
  private handle(runner: MessageRunner, request: IncomingRequest): void {
    const context = new CloudsContext(request, this.node.id);
    let isStarted = false;
    let isLate = false;
    const start = () => {
      isStarted = true;
      return isLate && !request.isWanted
        ? this.skip(request, context)
        : runner.run(request, context);
    };
    const onHookFailure = (error: unknown) => {
      this.logger.error(error);
      if (!isStarted) void start();
    };
    try {
      const hooked: unknown = this.onProcessingStartHook(this.transportId, context, start);
      isLate = true;
      if (hooked instanceof Promise) hooked.catch(onHookFailure);
    } catch (error) {
      onHookFailure(error);
    }
  }

  /** Its caller does not wait any more. One that comes back for it meanwhile is told that it was stopped. */
  private skip(request: IncomingRequest, context: CloudsContext): Promise<void> {
    request.fail(new CloudsCancelledError(messages.cancelled(request.service)));
    this.endProcessing(context);
    return Promise.resolve();
  }

  private runnerOf(handler: MessageHandler): MessageRunner {
    const ports: HandlerPorts = {
      nodeId: this.node.id,
      reportsEvents: Reflect.has(this, 'propagatesEventHandlerErrors'),
      log: this.logger,
      onOver: (context) => this.endProcessing(context),
    };
    const handlers = handlersOf(handler);
    if (handlers.length === 1) return new PatternHandler(handler, ports);
    return new EventHandlers(handlers, ports);
  }

  private endProcessing(context: CloudsContext): void {
    try {
      this.onProcessingEndHook?.(this.transportId, context);
    } catch (error) {
      this.logger.error(error);
    }
  }
}

/** What a pattern of the application becomes. */
interface Service {
  readonly pattern: string;
  readonly isEvent: boolean;
  readonly run: RequestHandler;
  readonly capacity: number | undefined;
  readonly group: string | undefined;
}

type Withdrawal = () => Promise<void>;

/**
 * What the decorator says: `@MessagePattern('resize', { capacity: 2 })`. Of several handlers of an event, the first that does.
 * @throws CloudsBadOptionsError
 */
function capacityOf(pattern: string, handler: MessageHandler): number | undefined {
  const capacities = handlersOf(handler).map(({ extras }) => extras?.capacity as unknown);
  const first = capacities.find((capacity) => capacity !== undefined);
  return parseCapacity(first, messages.capacityOf(pattern));
}

/**
 * What the decorators of its handlers say: all of them get every event, so they cannot differ.
 * @throws CloudsBadOptionsError
 */
function groupOf(pattern: string, handler: MessageHandler): string | undefined {
  const groups = new Set(handlersOf(handler).map(({ extras }) => extras?.group as string));
  if (groups.size > 1) throw new CloudsBadOptionsError(messages.differentGroups(pattern));
  const [group] = groups;
  return group === undefined ? undefined : parseGroup(group);
}

/** As Nest links them: of an event there may be several. */
function handlersOf(head: MessageHandler): MessageHandler[] {
  const handlers = [head];
  for (let one = head; head.isEventHandler && one.next; handlers.push(one))
    one = one.next as MessageHandler;
  return handlers;
}
