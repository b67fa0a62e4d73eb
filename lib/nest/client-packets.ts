import type { Deserializer, ReadPacket, Serializer, WritePacket } from '@nestjs/microservices';
import { CloudsError, CloudsUnserializableError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import type { ReplySink } from '../node/call.js';
import type { OpenedStream } from '../node/value-stream.js';
import { isPromiseLike } from '../node/handlers.js';
import { InTurn } from './in-turn.js';
import { type CloudsPacketOptions, replyFromWire, requestToWire } from './packets.js';

type Packet = ReadPacket & { id?: string };

/** Makes the call, with the data that was written; undefined if that fails at once. */
type OpenRequest = (data: unknown, sink: ReplySink) => OpenedStream | undefined;

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

  /** Sends a request, as soon as it is written. */
  request(packet: Packet, open: OpenRequest, sink: ReplySink): OpenedStream {
    const replies = this.#deserializer
      ? new DeserializedReplies(packet.id, sink, this.#deserializer, {
          consumed: () => sending.consumed(),
          cancel: () => sending.cancel(),
        })
      : sink;
    const sending: Sending = new Sending(open, replies);
    let data: unknown;
    try {
      data = this.#written(packet);
    } catch (error) {
      sending.fail(error);
      return sending;
    }
    if (isPromiseLike(data))
      data.then(
        (value) => sending.start(value),
        (error) => sending.fail(error),
      );
    else sending.start(data);
    return sending;
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
class Sending implements OpenedStream {
  #isStopped = false;
  #opened: OpenedStream | undefined;

  constructor(
    private readonly open: OpenRequest,
    private readonly sink: ReplySink,
  ) {}

  start(data: unknown): void {
    if (!this.#isStopped) this.#opened = this.open(data, this.sink);
  }

  fail(error: unknown): void {
    if (!this.#isStopped) this.sink.error(unwritten(error));
  }

  consumed(): void {
    this.#opened?.consumed();
  }

  /** Cancelled by what reads the replies, and then again by an Observable that ends with that. */
  cancel(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#opened?.cancel();
  }
}

/**
 * Reads each reply before it goes on, in the order in which they came. A value that waits for that is not consumed yet:
 * its node would else send more and more.
 */
class DeserializedReplies implements ReplySink {
  readonly isPulled = true;
  readonly #turn = new InTurn();
  #isOver = false;

  constructor(
    private readonly id: string | undefined,
    private readonly sink: ReplySink,
    private readonly deserializer: Deserializer,
    private readonly call: OpenedStream,
  ) {}

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
    else if (response !== undefined) this.#value(response, isEnd);
    else if (isEnd) this.#end();
    // Nobody else will take it.
    else this.call.consumed();
  }

  #value(response: unknown, isEnd: boolean): void {
    if (this.#isOver) return;
    if (isEnd) this.#leave();
    this.sink.value(response, isEnd);
    if (!this.sink.isPulled) this.call.consumed();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#leave();
    this.sink.end();
  }

  #error(error: unknown): void {
    if (this.#isOver) return;
    this.#leave();
    this.sink.error(error);
  }

  /** The deserializer may have ended what is not over for the node. */
  #leave(): void {
    this.#isOver = true;
    this.call.cancel();
  }
}

function unwritten(cause: unknown): CloudsUnserializableError {
  return new CloudsUnserializableError(messages.serializerFailed(), { cause });
}

function unread(cause: unknown): CloudsUnserializableError {
  return new CloudsUnserializableError(messages.deserializerFailed(), { cause });
}
