import { CloudsPayloadTooLargeError, CloudsUnserializableError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import { decodeMessage, type DroppedMessage } from '../protocol/decode.js';
import { refusalFrame } from '../protocol/encode.js';
import { type Message, MessageKind, type RequestMessage } from '../protocol/frames.js';
import type { Verifier } from '../protocol/verifier.js';
import { COUNTED_BYTES } from './flow-control.js';
import type { Outbox } from './outbox.js';
import type { Reporter } from './ports.js';

/** More than any batch has, but for the data of one large frame. */
const MAX_BATCH_BYTES = 6 * 1024 * 1024;

/** Reads what arrives in an inbox: reports what is dropped, and tells the senders of long messages that they were read. */
export class Receiver {
  #willAsk = false;

  constructor(
    private readonly maxPayloadBytes: number,
    private readonly verifier: Verifier | undefined,
    private readonly outbox: Outbox,
    private readonly reporter: Reporter,
    /** What somebody with a key has sent came so late that it was dropped: replies may be missing. */
    private readonly onMissed: () => void,
  ) {}

  /** Returns nothing for what is dropped. */
  read(bytes: Buffer): Message | undefined {
    let message: Message;
    try {
      message = decodeMessage(bytes, MAX_BATCH_BYTES + this.maxPayloadBytes, this.verifier);
    } catch (error) {
      this.#onDropped(error as DroppedMessage, bytes);
      return undefined;
    }
    this.#reportParts(message, bytes.length);
    this.#acknowledge(message, bytes.length);
    return message;
  }

  #reportParts(message: Message, bytes: number): void {
    if ('malformed' in message && message.malformed > 0)
      this.reporter.dropped('malformed', bytes, message.from);
    if (message.kind !== MessageKind.REQUESTS) return;
    for (const reason of new Set(message.unsealable))
      this.reporter.dropped(reason, bytes, message.from);
  }

  /** Requests in a batch came through the script, and are not counted by their sender. */
  #acknowledge(message: Message, bytes: number): void {
    if (bytes <= COUNTED_BYTES) return;
    const isCounted =
      message.kind === MessageKind.REPLIES ||
      (message.kind === MessageKind.REQUESTS && isOneFrame(message));
    if (isCounted) this.outbox.received(message.from, bytes);
  }

  #onDropped({ reason, from, id }: DroppedMessage, bytes: Buffer): void {
    this.reporter.dropped(reason, bytes.length, from);
    if (reason === 'stale') this.#askSoon();
    // Who has no key could name any call of any caller, and have it fail.
    if (this.verifier?.isRequired || from === undefined || id === undefined) return;
    const error =
      reason === 'too-large'
        ? new CloudsPayloadTooLargeError(
            messages.payloadTooLarge(bytes.length, this.maxPayloadBytes),
          )
        : new CloudsUnserializableError(messages.malformedRequest());
    this.outbox.reply(from, refusalFrame(id, 0, error));
  }

  /** A process that stood still finds many such messages. */
  #askSoon(): void {
    if (this.#willAsk) return;
    this.#willAsk = true;
    setImmediate(() => {
      this.#willAsk = false;
      this.onMissed();
    });
  }
}

/** Who adds frames to it that nobody has signed does not make it longer. */
function isOneFrame({ frames, unsealable }: RequestMessage): boolean {
  return frames.length === 1 && unsealable.length === 0;
}
