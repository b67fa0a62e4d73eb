import { AsyncResource } from 'node:async_hooks';
import { Logger } from '@nestjs/common';
import {
  BaseRpcExceptionFilter,
  type CustomTransportStrategy,
  type MessageHandler,
  RpcException,
  Server,
} from '@nestjs/microservices';
import {
  isObservable,
  lastValueFrom,
  Observable,
  type Subscriber,
  type Unsubscribable,
} from 'rxjs';
import { CloudsBadOptionsError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import { parseCapacity } from '../common/parse-options.js';
import { isAsyncIterable, sendValues } from '../node/handlers.js';
import type { IncomingRequest } from '../node/incoming-request.js';
import { CloudsNode } from '../node/node.js';
import { isWildcard } from '../protocol/subscriptions.js';
import { CloudsContext } from './clouds.context.js';
import { type CloudsEventsMap, type CloudsStatus, followStatus, logFor } from './clouds.events.js';
import { codedObjectOf, keepCodesOfRpcExceptions, withNode } from './coded-exceptions.js';
import {
  checkPacketOptions,
  type CloudsPacketOptions,
  type CloudsTransportOptions,
  splitOptions,
} from './packets.js';
import { isUnreported, makeCloudsErrorsRpcExceptions } from './rpc-errors.js';
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
    keepCodesOfRpcExceptions();
  }

  override readonly transportId = CLOUDS_TRANSPORT;
  protected override readonly logger = new Logger(CloudsServer.name);
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

  /** Registers every handler and connects. `callback` gets the error if that fails. */
  async listen(callback: (error?: unknown) => void): Promise<void> {
    const patterns = [...this.messageHandlers.keys()];
    try {
      await Promise.all(patterns.map((pattern) => this.serve(pattern)));
      await this.node.connect();
    } catch (error) {
      // So that it can be tried again. A pattern whose options are wrong has nothing to be withdrawn.
      await Promise.allSettled(patterns.map((pattern) => this.withdraw(pattern)));
      return callback(error);
    }
    callback();
  }

  /** Leaves all services, finishes what runs, and disconnects. */
  async close(): Promise<void> {
    if (this.ownsNode) await this.node.close();
    else await this.node.leave();
  }

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

  /** An event may be called as well, as with every transport of Nest, but for a wildcard, which is no name. */
  private async serve(pattern: string): Promise<void> {
    const handler = this.messageHandlers.get(pattern)!;
    const handle = (request: IncomingRequest) => this.handle(handler, request);
    const run = ServerPackets.around(this.packets, this.logger, handle);
    const capacity = capacityOf(pattern, handler);
    if (!handler.isEventHandler) return this.node.serve(pattern, run, { capacity });
    const group = groupOf(pattern, handler);
    await this.node.serveEvents(pattern, run, { group, capacity });
    if (!isWildcard(pattern)) await this.node.serve(pattern, run, { capacity });
  }

  private async withdraw(pattern: string): Promise<void> {
    const handler = this.messageHandlers.get(pattern)!;
    await this.node.unregister(pattern);
    if (handler.isEventHandler)
      await this.node.unsubscribe(pattern, { group: groupOf(pattern, handler) });
  }

  /** A start hook that throws before it goes on must not cost the message. */
  private handle(handler: MessageHandler, request: IncomingRequest): void {
    const context = new CloudsContext(request, this.node.id);
    let isStarted = false;
    const start = () => {
      isStarted = true;
      return this.process(handler, request, context);
    };
    const onHookFailure = (error: unknown) => {
      this.logger.error(error);
      if (!isStarted) void start();
    };
    try {
      const hooked: unknown = this.onProcessingStartHook(this.transportId, context, start);
      if (hooked instanceof Promise) hooked.catch(onHookFailure);
    } catch (error) {
      onHookFailure(error);
    }
  }

  /** Never rejects. A plain value takes no way through RxJS: that is half of what a call costs in Nest. */
  private async process(
    handler: MessageHandler,
    request: IncomingRequest,
    context: CloudsContext,
  ): Promise<void> {
    try {
      const result: unknown = await handler(request.data, context);
      if (isObservable(result)) return this.stream(result, request, context);
      if (isAsyncIterable(result)) await this.iterate(result, request);
      else if (result === undefined) request.end();
      else request.result(result);
    } catch (error) {
      this.fail(request, error);
    }
    this.endProcessing(context);
  }

  private stream(
    values$: Observable<unknown>,
    request: IncomingRequest,
    context: CloudsContext,
  ): void {
    const replies = new StreamReplies(request);
    let subscriber: Subscriber<unknown> | undefined;
    let isOver = false;
    // A cancel arrives in the context of the inbox; the end hook belongs in the one of the message.
    const stop = AsyncResource.bind(() => {
      if (isOver) return;
      isOver = true;
      this.unsubscribe(subscriber!);
      request.end();
      this.endProcessing(context);
    });
    // One that emits without a pause is unsubscribed before `subscribe` returns.
    const stoppable$ = new Observable<unknown>((own) => {
      subscriber = own;
      request.onCancel(stop);
      values$.subscribe(own);
    });
    stoppable$.subscribe({
      next: (value) => replies.next(value),
      complete: () => {
        isOver = true;
        void this.complete(replies, request, context);
      },
      error: (error: unknown) => {
        isOver = true;
        replies.flush();
        this.fail(request, error);
        this.endProcessing(context);
      },
    });
  }

  /** A teardown of the application that throws must not stop the cancelling of other requests. */
  private unsubscribe(subscription: Unsubscribable): void {
    try {
      subscription.unsubscribe();
    } catch (error) {
      this.logger.error(error);
    }
  }

  /** With an interceptor, what a handler returns is the one value of an Observable. */
  private async complete(
    replies: StreamReplies,
    request: IncomingRequest,
    context: CloudsContext,
  ): Promise<void> {
    const only = replies.takeOnly();
    if (!only) replies.end();
    else if (isAsyncIterable(only.value)) await this.iterate(only.value, request);
    else request.result(only.value);
    this.endProcessing(context);
  }

  /** Never rejects. */
  private async iterate(values: AsyncIterable<unknown>, request: IncomingRequest): Promise<void> {
    try {
      await sendValues(request, values);
      request.end();
    } catch (error) {
      if (request.isCancelled) return request.fail(error);
      const shown = await shownError(error);
      if (!request.isOneWay) return this.fail(request, shown);
      // All others were logged when they were made into what is shown.
      if (error instanceof RpcException) this.logger.error(error);
      request.end();
    }
  }

  /**
   * Nobody waits for an event. Nest has reported what its handlers throw; before 12.0.3, which is the first to have
   * `propagatesEventHandlerErrors`, not what is an RpcException, as a CloudsError is.
   */
  private fail(request: IncomingRequest, error: unknown): void {
    if (!request.isOneWay) return request.fail(withNode(error, this.node.id));
    const isNestSilent = !Reflect.has(this, 'propagatesEventHandlerErrors');
    if (isNestSilent && isUnreported(error)) this.logger.error(error);
    request.end();
  }

  private endProcessing(context: CloudsContext): void {
    try {
      this.onProcessingEndHook?.(this.transportId, context);
    } catch (error) {
      this.logger.error(error);
    }
  }
}

/**
 * What the decorator says: `@MessagePattern('resize', { capacity: 2 })`. Of several handlers of an event, the first that does.
 * @throws CloudsBadOptionsError
 */
function capacityOf(pattern: string, handler: MessageHandler): number | undefined {
  let some: MessageHandler | undefined = handler;
  while (some && some.extras?.capacity === undefined)
    some = some.next as MessageHandler | undefined;
  return parseCapacity(some?.extras?.capacity, messages.capacityOf(pattern));
}

/**
 * Sends the values of an Observable. The last one is held until the next tick: an Observable that
 * completes with it, as `of(value)` does, is then one reply instead of two.
 */
class StreamReplies {
  private held: { value: unknown } | undefined;

  constructor(private readonly request: IncomingRequest) {}

  next(value: unknown): void {
    this.flush();
    this.held = { value };
    // What an interceptor hands on of a generator is looked at when it is known that there is nothing else.
    if (!isAsyncIterable(value)) process.nextTick(() => this.flush());
  }

  /** The value that is held, if it is the first. */
  takeOnly(): { value: unknown } | undefined {
    if (this.request.values > 0) return undefined;
    const { held } = this;
    this.held = undefined;
    return held;
  }

  end(): void {
    this.flush();
    this.request.end();
  }

  flush(): void {
    const { held } = this;
    this.held = undefined;
    if (held) this.request.value(held.value);
  }
}

/** What the decorators of its handlers say: Nest runs all of them for one event, so they cannot differ. */
function groupOf(pattern: string, handler: MessageHandler): string | undefined {
  const groups = new Set<string | undefined>();
  for (let one: MessageHandler | undefined = handler; one; one = one.next as MessageHandler)
    groups.add(one.extras?.group as string | undefined);
  if (groups.size > 1) throw new CloudsBadOptionsError(messages.differentGroups(pattern));
  return [...groups][0];
}

/** What Nest makes of an error that no filter of the application has seen: its own ones know only Observables. */
async function shownError(error: unknown): Promise<unknown> {
  const coded = codedObjectOf(error);
  if (coded) return coded;
  const shown$ = new BaseRpcExceptionFilter().catch(error, undefined as never);
  return lastValueFrom(shown$).catch((shown: unknown) => shown);
}
