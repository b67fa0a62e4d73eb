import { Logger } from '@nestjs/common';
import {
  ClientProxy,
  type MsPattern,
  type ReadPacket,
  type WritePacket,
} from '@nestjs/microservices';
import { connectable, defer, Observable, type Observer, Subject } from 'rxjs';
import { type CallOptions, NO_OPTIONS } from '../node/call-options.js';
import type { ReplySink } from '../node/call.js';
import { CloudsNode } from '../node/node.js';
import { type Conversions, type OpenedStream, ValueStream } from '../node/value-stream.js';
import type { Metadata } from '../protocol/frames.js';
import { ClientPackets } from './client-packets.js';
import { type CloudsEventsMap, type CloudsStatus, followStatus, logFor } from './clouds.events.js';
import { CloudsRecord } from './clouds.record.js';
import { received } from './coded-exceptions.js';
import {
  checkPacketOptions,
  type CloudsPacketOptions,
  type CloudsTransportOptions,
  splitOptions,
} from './packets.js';

/** A packet as Nest's dispatch hook leaves it; the hook is there from Nest 12.0.4 on. */
type HookedPacket = ReadPacket & { metadata?: Metadata };

/** Calls services: inject it from `CloudsModule`, or make one with `ClientsModule` and `customClass`. */
export class CloudsClient extends ClientProxy<CloudsEventsMap> {
  private readonly node: CloudsNode;
  private readonly ownsNode: boolean;
  private readonly packets: ClientPackets | undefined;
  /** What a subclass may do to what arrives. */
  private readonly conversions: Conversions = {
    response: (value) => this.serializeResponse(value) as unknown,
    error: (error) => this.serializeError(received(error)) as unknown,
  };

  /**
   * With options the client makes a node of its own; with a node it shares that one, and leaves its
   * closing to others. `packets` is for a serializer or deserializer beside a node. Nothing is connected yet.
   * @throws CloudsBadOptionsError
   */
  constructor(
    nodeOrOptions: CloudsNode | CloudsTransportOptions = {},
    packets?: CloudsPacketOptions,
  ) {
    super();
    const own = nodeOrOptions instanceof CloudsNode ? undefined : splitOptions(nodeOrOptions);
    const given = { ...own?.packets, ...packets };
    checkPacketOptions(given);
    this.initializeSerializer(given);
    this.initializeDeserializer(given);
    this.packets = ClientPackets.of(given);
    this.ownsNode = own !== undefined;
    this.node = own ? new CloudsNode(own.node) : (nodeOrOptions as CloudsNode);
    if (this.ownsNode) logFor(this.node, new Logger('CloudsClient'));
    followStatus(this.node, (status) => this._status$.next(status));
  }

  /** The state of the connection, from now on. */
  override get status(): Observable<CloudsStatus> {
    return super.status as Observable<CloudsStatus>;
  }

  /**
   * Connects now instead of with the first call. To call it again is free.
   * @throws CloudsDisconnectedError if Redis cannot be reached within `connectTimeout` (10 s by default), or refuses.
   * @throws CloudsBadOptionsError if the server is too old.
   */
  async connect(): Promise<void> {
    // A handler that finishes while its node closes may still make calls, and must not wait for the end of that.
    if (!this.node.isConnected) await this.node.connect();
  }

  /** Fails the calls that are out and disconnects; a client that shares a node leaves that to its owner. */
  async close(): Promise<void> {
    if (this.ownsNode) await this.node.close();
  }

  /** Listens to what happens to the connection, before it is made or later: see `CloudsEventsMap`. */
  override on<E extends keyof CloudsEventsMap>(event: E, callback: CloudsEventsMap[E]): void {
    this.node.on(event, callback);
  }

  /**
   * An ioredis client with the settings of the transport, on a connection of its own.
   * @throws Error before `connect()`.
   */
  unwrap<T>(): T {
    if (this.node.redis === undefined) {
      throw new Error('Not connected. Call "connect" before "unwrap".');
    }
    return this.node.redis as T;
  }

  /**
   * Calls the service of `pattern` when it is subscribed to, on the node with the most free capacity.
   * `data` may be a `CloudsRecord`. Unsubscribing cancels the call. It fails with what the handler has thrown, or with a
   * `CloudsError`: after `service.callbackTimeout` (60 s by default) with `CLOUDS_TIMEOUT`; docs/errors.md has all codes.
   */
  // `any` as in Nest: a team that changes its transport keeps its types.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  override send<TResult = any, TInput = any>(pattern: unknown, data: TInput): Observable<TResult> {
    return this.call<TResult>(pattern, data, NO_OPTIONS);
  }

  /**
   * The same with up to `attempts` attempts, each on another node while there is one; -1 for no limit, within 10 minutes.
   * The handler may run more than once. A stream of which a value has arrived is not begun again.
   */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  pemit<TResult = any, TInput = any>(
    attempts: number,
    pattern: unknown,
    data: TInput,
  ): Observable<TResult> {
    return this.call<TResult>(pattern, data, { attempts });
  }

  /**
   * The values of a stream for `for await`: the node that sends them goes on as they are taken, and leaving the loop
   * cancels the call, which is made when the first value is asked for. `data` may be a `CloudsRecord`. The loop throws
   * what the call fails with: as for `send`.
   */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  stream<TResult = any, TInput = any>(
    pattern: unknown,
    data: TInput,
  ): AsyncIterableIterator<TResult> {
    return new ValueStream<TResult>((sink) => {
      if (isMissing(pattern) || isMissing(data)) return this.refuse(sink, pattern, data);
      return this.openStream(this.packetOf(pattern, data), sink);
    }, this.conversions);
  }

  /**
   * Sends an event to one node of every group that takes it. The Observable completes when all have it; nobody need
   * subscribe. It fails with a `CloudsError`, as `CLOUDS_NO_NODE` if nobody takes the event.
   */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  override emit<TResult = any, TInput = any>(pattern: unknown, data: TInput): Observable<TResult> {
    if (isMissing(pattern) || isMissing(data)) return super.emit(pattern, data);
    const event$ = connectable(
      defer(() => this.dispatchEvent<TResult>(this.packetOf(pattern, data))),
      { connector: () => new Subject<TResult>(), resetOnDisconnect: false },
    );
    event$.connect();
    return event$;
  }

  protected publish(packet: ReadPacket, callback: (packet: WritePacket) => void): () => void {
    const sink: ReplySink = {
      value: (response, isDisposed) =>
        callback(isDisposed ? { response, isDisposed } : { response }),
      end: () => callback({ isDisposed: true }),
      error: (err) => callback({ err: received(err) }),
    };
    return this.dispatch(packet, NO_OPTIONS, sink);
  }

  protected async dispatchEvent<T = unknown>(packet: ReadPacket): Promise<T> {
    const options = optionsOf(packet, NO_OPTIONS);
    const data = this.packets ? await this.packets.event(plain(packet)) : dataOf(packet);
    await this.node.publish(this.serviceOf(packet), data, options);
    return undefined as T;
  }

  private call<TResult>(
    pattern: unknown,
    data: unknown,
    options: CallOptions,
  ): Observable<TResult> {
    // Nest's own answer to a missing pattern or missing data.
    if (isMissing(pattern) || isMissing(data)) return super.send(pattern, data);
    return new Observable<TResult>((observer) =>
      this.dispatch(
        this.packetOf(pattern, data),
        options,
        new ObserverSink(observer, this.conversions),
      ),
    );
  }

  private openStream(packet: ReadPacket, sink: ReplySink): OpenedStream | undefined {
    const service = this.serviceOf(packet);
    const options = optionsOf(packet, NO_OPTIONS);
    const open = (data: unknown, replies: ReplySink) =>
      this.node.openStream(service, data, options, replies);
    if (!this.packets) return open(dataOf(packet), sink);
    return this.packets.request(this.assignPacketId(plain(packet)), open, sink);
  }

  /** Nest's own answer to a missing pattern or missing data. */
  private refuse(sink: ReplySink, pattern: unknown, data: unknown): undefined {
    super.send(pattern, data).subscribe({ error: (error) => sink.error(error) });
  }

  private dispatch(packet: ReadPacket, options: CallOptions, sink: ReplySink): () => void {
    const service = this.serviceOf(packet);
    const merged = optionsOf(packet, options);
    if (!this.packets) return this.node.request(service, dataOf(packet), merged, sink);
    const open = (data: unknown, replies: ReplySink) =>
      this.node.openStream(service, data, merged, replies);
    const opened = this.packets.request(this.assignPacketId(plain(packet)), open, sink);
    return () => opened.cancel();
  }

  private serviceOf(packet: ReadPacket): string {
    return this.normalizePattern(packet.pattern as MsPattern);
  }

  /** Nest's dispatch hook runs in `createPacket`; Nest 11 and the first 12 have neither. */
  private packetOf(pattern: unknown, data: unknown): ReadPacket {
    return 'createPacket' in this ? this.createPacket(pattern, data) : { pattern, data };
  }
}

/** Not an object of closures: one is made for every call. */
class ObserverSink implements ReplySink {
  constructor(
    private readonly observer: Observer<never>,
    private readonly conversions: Conversions,
  ) {}

  value(value: unknown, isLast: boolean): void {
    this.observer.next(this.conversions.response(value) as never);
    if (isLast) this.observer.complete();
  }

  end(): void {
    this.observer.complete();
  }

  error(error: unknown): void {
    this.observer.error(this.conversions.error(error));
  }
}

function isMissing(value: unknown): boolean {
  return value === undefined || value === null;
}

function dataOf({ data }: ReadPacket): unknown {
  return data instanceof CloudsRecord ? data.data : data;
}

/** The packet that a serializer gets: without the record around its data. */
function plain(packet: ReadPacket): ReadPacket {
  return { ...packet, data: dataOf(packet) };
}

/** What the record says, under what the method says, and with what the hook attached. */
function optionsOf({ data, metadata }: HookedPacket, options: CallOptions): CallOptions {
  if (!(data instanceof CloudsRecord) && metadata === undefined) return options;
  const recorded = data instanceof CloudsRecord ? data.options : NO_OPTIONS;
  const merged: CallOptions = { ...recorded, ...options };
  if (metadata) merged.headers = { ...merged.headers, ...metadata };
  return merged;
}
