import type { Deserializer, ReadPacket, Serializer, WritePacket } from '@nestjs/microservices';
import { CloudsError, CloudsUnserializableError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import type { ReplySink } from '../node/call.js';
import { isPromiseLike } from '../node/handlers.js';
import { InTurn } from './in-turn.js';
import { type CloudsPacketOptions, replyFromWire, requestToWire } from './packets.js';

type Packet = ReadPacket & { id?: string };
type Send = (data: unknown, sink: ReplySink) => () => void;

/** Has the serializer of an application write requests, and its deserializer read replies. */
export class ClientPackets {
  readonly #serializer: Serializer | undefined;
  readonly #deserializer: Deserializer | undefined;

  constructor({ serializer, deserializer }: CloudsPacketOptions) {
    this.#serializer = serializer;
    this.#deserializer = deserializer;
  }

  /** Undefined for options that leave packets as they are: nothing is done for a call then. */
  static of(options: CloudsPacketOptions): ClientPackets | undefined {
    return options.serializer || options.deserializer ? new ClientPackets(options) : undefined;
  }

  /** Sends a request, as soon as it is written; returns what takes it back. */
  request(packet: Packet, send: Send, sink: ReplySink): () => void {
    const replies = this.#deserializer
      ? new DeserializedReplies(packet.id, sink, this.#deserializer)
      : sink;
    const sending = new Sending(send, replies);
    let data: unknown;
    try {
      data = this.#written(packet);
    } catch (error) {
      sending.fail(error);
      return () => undefined;
    }
    if (isPromiseLike(data))
      data.then(
        (value) => sending.start(value),
        (error) => sending.fail(error),
      );
    else sending.start(data);
    return () => sending.stop();
  }

  /** @throws CloudsUnserializableError */
  async event(packet: Packet): Promise<unknown> {
    try {
      return await this.#written(packet);
    } catch (error) {
      throw unwritten(error);
    }
  }

  #written(packet: Packet): unknown {
    if (!this.#serializer) return packet.data;
    const output: unknown = this.#serializer.serialize(packet);
    return isPromiseLike(output) ? output.then(requestToWire) : requestToWire(output);
  }
}

/** A request that may be taken back before it is written. */
class Sending {
  #isStopped = false;
  #cancel: (() => void) | undefined;

  constructor(
    private readonly send: Send,
    private readonly sink: ReplySink,
  ) {}

  start(data: unknown): void {
    if (!this.#isStopped) this.#cancel = this.send(data, this.sink);
  }

  fail(error: unknown): void {
    if (!this.#isStopped) this.sink.error(unwritten(error));
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }
}

/** Reads each reply before it goes on, in the order in which they came. */
class DeserializedReplies implements ReplySink {
  readonly #turn = new InTurn();
  #isOver = false;

  constructor(
    private readonly id: string | undefined,
    private readonly sink: ReplySink,
    private readonly deserializer: Deserializer,
  ) {}

  get isPulled(): boolean | undefined {
    return this.sink.isPulled;
  }

  value(value: unknown, isLast: boolean): void {
    const packetOf = (response: unknown) => ({ response, ...(isLast && { isDisposed: true }) });
    this.#read(value, packetOf, isLast);
  }

  end(): void {
    this.#turn.make(() => undefined, { use: () => this.#end(), fail: () => this.#end() });
  }

  /** What the transport itself has to say was in no packet. */
  error(error: unknown): void {
    if (!(error instanceof CloudsError))
      return this.#read(error, (err) => ({ err, isDisposed: true }), true);
    this.#turn.make(() => undefined, { use: () => this.#error(error), fail: () => undefined });
  }

  #read(value: unknown, packetOf: (value: unknown) => object, isLast: boolean): void {
    const made = (): unknown =>
      this.deserializer.deserialize(
        replyFromWire(value, (read) => ({ id: this.id, ...packetOf(read) })),
      );
    this.#turn.make(made, {
      use: (packet) => this.#deliver((packet ?? {}) as WritePacket, isLast),
      fail: (error) => this.#error(unread(error)),
    });
  }

  #deliver({ err, response, isDisposed }: WritePacket, isLast: boolean): void {
    const isEnd = isLast || isDisposed === true;
    if (err) this.#error(err);
    else if (response === undefined) return isEnd ? this.#end() : undefined;
    else if (!this.#isOver) {
      this.#isOver = isEnd;
      this.sink.value(response, isEnd);
    }
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.sink.end();
  }

  #error(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.sink.error(error);
  }
}

function unwritten(cause: unknown): CloudsUnserializableError {
  return new CloudsUnserializableError(messages.serializerFailed(), { cause });
}

function unread(cause: unknown): CloudsUnserializableError {
  return new CloudsUnserializableError(messages.deserializerFailed(), { cause });
}
