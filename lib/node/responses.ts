import { CloudsCancelledError, type CloudsError, CloudsOverloadedError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import { endFrame, errorFrame, refusalFrame, resultFrame, valueFrame } from '../protocol/encode.js';
import { encodeData } from '../protocol/payload.js';
import type { Text } from '../protocol/text.js';
import type { IncomingRequest, Responder } from './incoming-request.js';
import type { Outbox } from './outbox.js';
import { OutgoingStream } from './outgoing-stream.js';

/** Sends what handlers answer. A request is settled once, by its handler or by whoever cannot wait for that. */
export class Responses implements Responder {
  constructor(
    private readonly outbox: Pick<Outbox, 'reply' | 'value'>,
    private readonly maxPayloadBytes: number,
    private readonly onSettled: (request: IncomingRequest) => void,
  ) {}

  result(request: IncomingRequest, value: unknown): void {
    this.#settleWith(request, () =>
      resultFrame(request.id, encodeData(value, this.maxPayloadBytes)),
    );
  }

  announce(request: IncomingRequest): void {
    if (!takesValues(request)) return;
    const stream = this.#streamOf(request);
    if (!stream.announce()) this.#overrun(request, stream);
  }

  value(request: IncomingRequest, value: unknown): void {
    if (!takesValues(request)) {
      request.hasDropped = true;
      return;
    }
    let json: Text;
    try {
      json = encodeData(value, this.maxPayloadBytes);
    } catch (error) {
      this.#end(request, refusalOf(request, error as CloudsError));
      return request.cancel(error as CloudsError);
    }
    const stream = this.#streamOf(request);
    if (!stream.add(valueFrame(request.id, request.values++, json))) this.#overrun(request, stream);
  }

  end(request: IncomingRequest): void {
    this.#settleWith(request, () =>
      request.hasDropped ? cutOffFrame(request) : endFrame(request.id, request.values),
    );
  }

  fail(request: IncomingRequest, error: unknown): void {
    this.#settleWith(request, () =>
      request.isRepeated
        ? cutOffFrame(request)
        : errorFrame(request.id, request.values, error, this.maxPayloadBytes),
    );
  }

  #settleWith(request: IncomingRequest, encode: () => Text): void {
    if (request.isEnded) return;
    if (request.isOneWay || !request.isWanted) return this.settle(request, undefined);
    let frame: Text;
    try {
      frame = encode();
    } catch (error) {
      return this.#end(request, refusalOf(request, error as CloudsError));
    }
    this.#end(request, frame);
  }

  #streamOf(request: IncomingRequest): OutgoingStream {
    return (request.stream ??= new OutgoingStream((frame) =>
      this.outbox.value(request.from, frame),
    ));
  }

  /** The source does not wait for a caller that cannot keep up. No refusal: the handler runs, and would be too fast elsewhere. */
  #overrun(request: IncomingRequest, { sent }: OutgoingStream): void {
    const error = new CloudsOverloadedError(messages.streamOverrun(request.service));
    this.settle(request, errorFrame(request.id, sent, error, this.maxPayloadBytes));
    request.cancel(error);
  }

  /** The last word comes after all values. */
  #end(request: IncomingRequest, frame: Text | undefined): void {
    request.isEnded = true;
    if (request.stream === undefined) this.settle(request, frame);
    else request.stream.whenAllSent(() => this.settle(request, frame));
  }

  /** The request is over, whether its handler is or not. `frame`: what its caller is told. */
  settle(request: IncomingRequest, frame: Text | undefined): void {
    request.isEnded = request.isSettled = true;
    request.stream?.drop();
    if (frame !== undefined) this.outbox.reply(request.from, frame);
    this.onSettled(request);
  }
}

function takesValues({ isEnded, isWanted, isOneWay }: IncomingRequest): boolean {
  return !isEnded && isWanted && !isOneWay;
}

export function cancelled({ service }: IncomingRequest): CloudsCancelledError {
  return new CloudsCancelledError(messages.cancelled(service));
}

export function refusalOf(request: IncomingRequest, error: CloudsError): string | undefined {
  return request.isOneWay ? undefined : refusalFrame(request.id, request.values, error);
}

/** For a caller that has come back for what it had cancelled, and cannot have it whole. */
function cutOffFrame(request: IncomingRequest): string {
  return refusalFrame(request.id, request.values, cancelled(request));
}
