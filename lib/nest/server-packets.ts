import type { Deserializer, Serializer, WritePacket } from '@nestjs/microservices';
import { CloudsCancelledError, CloudsError, CloudsUnserializableError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import { isPromiseLike } from '../node/handlers.js';
import type { IncomingRequest, Responder } from '../node/incoming-request.js';
import type { RequestHandler } from '../node/registry.js';
import { errorProperties, isNativeError } from '../protocol/encode.js';
import type { Metadata } from '../protocol/frames.js';
import { InTurn } from './in-turn.js';
import {
  type CloudsPacketOptions,
  isForeignReply,
  isForeignRequest,
  replyToWire,
  requestFromWire,
} from './packets.js';
import { standIn } from './stand-in.js';

/** Where the errors of a serializer go: Nest's logger, as far as it is needed. */
interface ErrorLog {
  error(error: unknown): void;
}

/** Has the deserializer of an application read requests, and its serializer write replies. */
export class ServerPackets {
  readonly #options: CloudsPacketOptions;

  private constructor(
    options: CloudsPacketOptions,
    private readonly log: ErrorLog,
  ) {
    this.#options = options;
  }

  /** The handler itself for options that leave packets as they are. */
  static around(
    options: CloudsPacketOptions,
    log: ErrorLog,
    handle: RequestHandler,
  ): RequestHandler {
    if (!options.serializer && !options.deserializer) return handle;
    const packets = new ServerPackets(options, log);
    return (request) => packets.#receive(request, handle);
  }

  #receive(request: IncomingRequest, handle: RequestHandler): void {
    const { deserializer } = this.#options;
    if (!deserializer) return this.#run(request, packetOf(request), handle);
    const fail = (error: unknown) => {
      this.log.error(error);
      request.fail(new CloudsUnserializableError(messages.deserializerFailed()));
    };
    try {
      const packet = read(request, deserializer);
      if (!isPromiseLike(packet)) return this.#run(request, packet as Packet, handle);
      packet.then((read) => this.#run(request, read as Packet, handle)).then(undefined, fail);
    } catch (error) {
      fail(error);
    }
  }

  #run(request: IncomingRequest, packet: Packet, handle: RequestHandler): void {
    // Cancelled while it was read. Whoever has come back for its answer is to have it.
    if (!request.isWanted) return request.end();
    const { data } = packet;
    request.metadata = metadataOf(request, packet);
    const seen = { request, data, metadata: request.metadata };
    handle(standIn(seen, this.#responder(request)));
  }

  #responder(request: IncomingRequest): Responder {
    const { serializer } = this.#options;
    if (!serializer || request.isOneWay) return new Replies(request);
    return new SerializedReplies(request, serializer, this.log);
  }
}

interface Packet {
  readonly data?: unknown;
  readonly metadata?: Metadata;
}

function packetOf({ id, service, data, metadata, isOneWay }: IncomingRequest) {
  return {
    ...(!isOneWay && { id }),
    pattern: service,
    data,
    ...(metadata && { metadata }),
  };
}

/** What a deserializer has made of the headers. In a packet of another form it has seen no more than a hook attached. */
function metadataOf(request: IncomingRequest, { metadata }: Packet): Metadata | undefined {
  if (!metadata) return request.metadata;
  return isForeignRequest(request.data) ? { ...request.metadata, ...metadata } : metadata;
}

function read(request: IncomingRequest, deserializer: Deserializer): unknown {
  const raw = requestFromWire(request.data, { ...packetOf(request) });
  return deserializer.deserialize(raw, { channel: request.service });
}

/**
 * Passes on what is answered to the request that stands for it. Both have one stream: whether there is room, the one
 * that the handler has is asked.
 */
class Replies implements Responder {
  constructor(protected readonly request: IncomingRequest) {}

  result(given: IncomingRequest, value: unknown): void {
    given.isSettled = true;
    this.request.result(value);
  }

  announce(given: IncomingRequest): void {
    this.request.announce();
    given.stream = this.request.stream;
  }

  value(given: IncomingRequest, value: unknown): void {
    given.values++;
    this.request.value(value);
    given.stream = this.request.stream;
  }

  end(given: IncomingRequest): void {
    given.isSettled = true;
    this.request.end();
  }

  fail(given: IncomingRequest, error: unknown): void {
    given.isSettled = true;
    this.request.fail(error);
  }
}

/** Writes each reply before it goes on, in the order in which they came. */
class SerializedReplies extends Replies {
  readonly #turn = new InTurn();
  /** Those of the Error that the request fails with. */
  #properties: object | undefined;

  constructor(
    request: IncomingRequest,
    private readonly serializer: Serializer,
    private readonly log: ErrorLog,
  ) {
    super(request);
  }

  override result(given: IncomingRequest, response: unknown): void {
    given.isSettled = true;
    this.#write(given, { response, isDisposed: true }, (value) => this.request.result(value));
  }

  override value(given: IncomingRequest, response: unknown): void {
    given.values++;
    this.announce(given);
    // It may be one too many.
    if (given.isCancelled) return this.#drop();
    this.#write(given, { response }, (value) => this.request.value(value));
  }

  /** There is no place for a packet in the end of a stream. */
  override end(given: IncomingRequest): void {
    given.isSettled = true;
    this.#pass(() => this.request.end());
  }

  /** What the transport itself has to say is in no packet; of other Errors a serializer gets what may be sent. */
  override fail(given: IncomingRequest, error: unknown): void {
    given.isSettled = true;
    if (error instanceof CloudsError) return this.#pass(() => this.request.fail(error));
    if (isNativeError(error)) this.#properties = errorProperties(error);
    const err = this.#properties ?? error;
    this.#write(given, { err, isDisposed: true }, (value) => this.request.fail(value));
  }

  #pass(send: () => void): void {
    this.#turn.make(() => undefined, { use: send, fail: send });
  }

  #write(
    given: IncomingRequest,
    packet: Partial<WritePacket>,
    send: (value: unknown) => void,
  ): void {
    // Values that still wait here go nowhere after a cancel, but whoever comes back for the call is to have its end.
    const isSaid = () => packet.isDisposed === true || !given.isCancelled;
    const write = () =>
      isSaid() && (this.serializer.serialize({ id: given.id, ...packet }) as unknown);
    this.#turn.make(write, {
      use: (output) => (isSaid() ? this.#send(given, output, send) : this.#drop()),
      fail: (error) => this.#onFailure(given, error),
    });
  }

  #drop(): void {
    this.request.hasDropped = true;
  }

  /** A serializer may make an error of a result. */
  #send(given: IncomingRequest, output: unknown, send: (value: unknown) => void): void {
    const value = replyToWire(output);
    if (isForeignReply(output) || !(output as { err?: unknown }).err) return send(value);
    this.request.fail(value === this.#properties ? errorOf(value) : value);
    // The rest of a stream goes nowhere.
    if (!given.isSettled) given.cancel(new CloudsCancelledError(messages.cancelled(given.service)));
  }

  #onFailure(given: IncomingRequest, cause: unknown): void {
    this.log.error(cause);
    const error = new CloudsUnserializableError(messages.serializerFailed());
    this.request.fail(error);
    // The rest of a stream goes nowhere.
    given.cancel(error);
  }
}

/** Not the Error that it was: a serializer may have changed what it got. */
function errorOf(properties: unknown): Error {
  return Object.assign(new Error(), properties);
}
