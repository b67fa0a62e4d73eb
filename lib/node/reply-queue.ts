import { ownReplyFrame, ownReplyHead } from '../protocol/decode.js';
import { replyMessage } from '../protocol/encode.js';
import type { Keys } from '../protocol/keys.js';
import type { Signer } from '../protocol/signer.js';
import { byteLength, release, type Text } from '../protocol/text.js';
import type { Answer, Command, RedisPort } from '../redis/link.js';
import type { FlowControl } from './flow-control.js';
import { heldMessage, type SentMessage } from './recent-replies.js';
import { isAnswer, type ReplyKeeper, type UnclaimedStream } from './reply-keeper.js';
import { type SentReplies, Unconfirmed } from './unconfirmed.js';

/** A message of replies has about so many bytes at most, if it is not one that is longer. */
const BULK_BYTES = 128 * 1024;

/** Handlers that keep the process busy must not keep the replies of others, whose callers may give up meanwhile. */
const MAX_WAIT_MS = 10;

/** A message of replies, with the command that sends it. */
export interface ReplyBatch extends SentReplies {
  readonly command: Command;
  readonly text: Text;
}

/**
 * Replies on their way to their callers: waiting to be sent, and sent until it is known whether their
 * callers have them. Those that reached nobody are kept.
 */
export class ReplyQueue {
  /** Frames, by the incarnation of their caller. */
  #waiting = new Map<string, Text[]>();
  /** Of the frames that came since something was sent, in UTF-16 units or bytes. */
  #length = 0;
  /** When the first of them came. */
  #firstAt = 0;
  readonly #unconfirmed: Unconfirmed;

  constructor(
    redis: RedisPort,
    private readonly keys: Keys,
    private readonly address: { readonly incarnation: string },
    private readonly signer: Signer,
    private readonly keeper: ReplyKeeper,
    private readonly flow: FlowControl,
    /** What was said of a stream reached nobody. */
    private readonly onUnclaimed: (stream: UnclaimedStream) => void,
  ) {
    this.#unconfirmed = new Unconfirmed(redis, keys, (message) => this.#keepUnclaimed(message));
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  hasFor(caller: string): boolean {
    return this.#waiting.has(caller);
  }

  /** Returns whether it is time to send: enough has gathered, or the first has waited for long. */
  add(caller: string, frame: Text): boolean {
    const now = performance.now();
    if (this.#waiting.size === 0) this.#firstAt = now;
    const frames = this.#waiting.get(caller);
    if (frames) frames.push(frame);
    else this.#waiting.set(caller, [frame]);
    this.#length += frame.length;
    // One more like it would be too much.
    return this.#length + frame.length > BULK_BYTES || now - this.#firstAt > MAX_WAIT_MS;
  }

  /** The answer that this node has given to a call, as a frame; also while that waits. */
  answerTo(id: string): string | undefined {
    for (const frames of this.#waiting.values()) {
      const own = frames.filter((frame) => ownReplyHead(frame).id === id).map(String);
      const answer = own.find((frame) => isAnswer(ownReplyFrame(frame)));
      if (answer !== undefined) return answer;
    }
    return this.keeper.find(id);
  }

  /** Takes out what may be sent now; the rest waits until its callers have room. */
  take(): ReplyBatch[] {
    this.#length = 0;
    const batches: ReplyBatch[] = [];
    const waiting = this.#waiting;
    // A new Map each time, not one that is emptied: see ChurnMap.
    this.#waiting = new Map();
    for (const [caller, frames] of waiting) {
      const left = this.#takeFor(caller, frames, batches);
      if (left.length > 0) this.#waiting.set(caller, left);
    }
    return batches;
  }

  /** These went out without a wish for an answer. */
  sentQuietly(batches: readonly ReplyBatch[]): void {
    for (const { to, message } of batches) this.#unconfirmed.add({ to, message });
  }

  /** What Redis has answered to the commands of these. */
  answered(batches: readonly SentReplies[], answers: readonly Answer[]): void {
    batches.forEach(({ message }, index) => {
      if (answers[index]!.value === 0) this.#keepUnclaimed(message);
    });
  }

  /** The connection broke before Redis answered: whether they arrived is for their callers to ask. */
  cutOff(batches: readonly SentReplies[]): void {
    for (const { message } of batches) this.keeper.keepUnclaimed(message);
  }

  /** Without a connection: the callers ask for their replies when both are back. Streams are broken. */
  keepAll(): void {
    this.#length = 0;
    // First: a stream that is stopped may say something at once.
    const waiting = this.#waiting;
    this.#waiting = new Map();
    for (const frames of waiting.values()) {
      for (const some of inBatches(frames)) {
        const text = replyMessage(this.address.incarnation, some);
        this.#keepUnclaimed(this.keeper.keepRecent(text, some));
        release(text);
      }
    }
  }

  /** Resolves when it is known of all that were sent quietly whether they reached their callers. */
  confirmed(): Promise<void> {
    return this.#unconfirmed.check();
  }

  /** Who was there for the last replies can no longer be asked. */
  giveUp(): void {
    this.#unconfirmed.giveUp();
  }

  close(): void {
    this.#unconfirmed.close();
    this.#waiting = new Map();
  }

  /** Returns what has to wait, in its order: values of a stream must not overtake each other. */
  #takeFor(to: string, frames: readonly Text[], batches: ReplyBatch[]): Text[] {
    let taken = 0;
    for (const some of inBatches(frames)) {
      const message = replyMessage(this.address.incarnation, some);
      if (!this.flow.take(to, byteLength(message) + this.signer.sealBytes)) break;
      const text = this.signer.message(to, message);
      const command: Command = ['publish', this.keys.inbox(to), text];
      batches.push({ to, text, command, message: this.keeper.keepRecent(text, some) });
      taken += some.length;
    }
    return frames.slice(taken);
  }

  #keepUnclaimed(message: SentMessage): void {
    for (const stream of this.keeper.keepUnclaimed(message)) this.onUnclaimed(stream);
  }
}

/** For as long as it takes Redis to answer: others may leave meanwhile, more than are kept. */
export function held({ to, text, message }: ReplyBatch): SentReplies {
  if (message.isHeld) return { to, message };
  return { to, message: heldMessage(text.toString(), message.replies) };
}

/** What comes in bulk comes in messages that the flow control counts. */
function* inBatches(frames: readonly Text[]): Iterable<readonly Text[]> {
  let first = 0;
  let length = 0;
  for (let next = 0; next < frames.length; next++) {
    length += frames[next]!.length;
    if (next === first || length <= BULK_BYTES) continue;
    yield frames.slice(first, next);
    first = next;
    length = frames[next]!.length;
  }
  if (first < frames.length) yield first === 0 ? frames : frames.slice(first);
}
