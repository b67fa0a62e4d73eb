import { ownReplyFrame } from '../protocol/decode.js';
import { idsMessage, receivedMessage, replyMessage } from '../protocol/encode.js';
import { MessageKind } from '../protocol/frames.js';
import { memberOf } from '../protocol/ids.js';
import type { Keys } from '../protocol/keys.js';
import { byteLength, release, type Text } from '../protocol/text.js';
import type { Command, RedisPort } from '../redis/link.js';
import type { FlowControl } from './flow-control.js';
import type { PointCount } from './points.js';
import { heldMessage, type SentMessage } from './recent-replies.js';
import { isAnswer, type ReplyKeeper } from './reply-keeper.js';
import { type SentReplies, Unconfirmed } from './unconfirmed.js';

/** About so many bytes of replies leave at once, so that Redis and the callers work while the next are being made. */
const EARLY_LENGTH = 128 * 1024;
/** Up to this many ids of 16 characters are one message. */
const MAX_IDS = 5000;

export interface OutboxListener {
  /** A value of the stream with this id reached nobody: its caller is gone. */
  onUnclaimed(id: string): void;
  onError(error: Error): void;
}

/**
 * What leaves for other nodes besides requests: replies, points given back, cancels and asks. All of
 * one turn of the event loop is one pipeline.
 */
export class Outbox {
  /** Frames, by the incarnation of their caller. */
  #replies = new Map<string, Text[]>();
  /** Counts that owe points. */
  #debtors: PointCount[] = [];
  /** Of the replies that came since something was sent, in UTF-16 units or bytes. */
  #length = 0;
  /** The batch that takes more ids, by kind and receiver. */
  readonly #ids = new Map<string, IdBatch>();
  #idBatches: IdBatch[] = [];
  /** How much was read of long messages, by their sender. */
  readonly #received = new Map<string, number>();
  readonly #strayServices = new Set<string>();
  readonly #unconfirmed: Unconfirmed;
  /** Whether something waits that Redis has to answer: all but points and the answers of handlers. */
  #wantsAnswer = false;
  #flush: NodeJS.Immediate | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(
    private readonly redis: RedisPort,
    private readonly keys: Keys,
    private readonly address: { readonly incarnation: string },
    private readonly keeper: ReplyKeeper,
    private readonly flow: FlowControl,
    private readonly listener: OutboxListener,
  ) {
    this.#unconfirmed = new Unconfirmed(redis, keys, (message) => this.#onUnclaimed(message));
  }

  /** `to` is the incarnation of the caller. */
  reply(to: string, frame: Text): void {
    const frames = this.#replies.get(to);
    if (frames) frames.push(frame);
    else this.#replies.set(to, [frame]);
    this.#length += frame.length;
    if (this.#length + frame.length > EARLY_LENGTH) this.#send();
    else this.#schedule();
  }

  /** One value of a stream: whether somebody gets it is to be known at once, as the next ones follow. */
  value(to: string, frame: Text): void {
    this.#wantsAnswer = true;
    this.reply(to, frame);
  }

  /** The answer that this node has given to a call, as a frame; also while that waits to be sent. */
  answerTo(id: string): string | undefined {
    const head = `["${id}",`;
    for (const frames of this.#replies.values()) {
      const texts = frames.map(String).filter((text) => text.startsWith(head));
      const answer = texts.find((text) => isAnswer(ownReplyFrame(text)));
      if (answer !== undefined) return answer;
    }
    return this.keeper.find(id);
  }

  /** Gives one point back, or `count` of them, which may be negative. */
  point(points: PointCount, count = 1): void {
    if (points.owed === 0) this.#debtors.push(points);
    points.owed += count;
    this.#schedule();
  }

  /** Takes this incarnation out of a service that it does not serve. */
  removeMember(service: string): void {
    this.#wantsAnswer = true;
    this.#strayServices.add(service);
    this.#schedule();
  }

  cancel(to: string, id: string): void {
    this.#addId(MessageKind.CANCEL, to, id);
  }

  ask(to: string, id: string): void {
    this.#addId(MessageKind.ASK, to, id);
  }

  /** Tells the sender of long messages that so much of them was read. */
  received(from: string, length: number): void {
    this.#received.set(from, (this.#received.get(from) ?? 0) + length);
    this.#schedule();
  }

  /** A receiver that was full may have room: what waits for it is tried again. */
  onRoom(to: string): void {
    if (this.#replies.has(to)) this.#schedule();
  }

  /** Sends what is waiting now instead of at the end of the turn. */
  send(): void {
    this.#cancelFlush();
    this.#send();
  }

  /** Sends what is waiting, and resolves when Redis has all that was sent, or cannot be reached. */
  async flushed(): Promise<void> {
    this.send();
    await Promise.all([this.#sending, this.#unconfirmed.check()]);
  }

  /** A new incarnation begins: points that were to be given back to the last one are of no account. */
  forgetPoints(): void {
    for (const points of this.#debtors) points.owed = 0;
    this.#debtors = [];
  }

  /** The connection is gone: who was there for the last replies can no longer be asked. */
  cutOff(): void {
    this.#unconfirmed.giveUp();
  }

  close(): void {
    this.#cancelFlush();
    this.#unconfirmed.close();
    this.#replies = new Map();
    this.forgetPoints();
    this.#forgetIds();
  }

  #addId(kind: IdsKind, to: string, id: string): void {
    this.#wantsAnswer = true;
    const key = kind + to;
    const open = this.#ids.get(key);
    if (open && open.ids.length < MAX_IDS) {
      open.ids.push(id);
    } else {
      const batch = { kind, to, ids: [id] };
      this.#ids.set(key, batch);
      this.#idBatches.push(batch);
    }
    this.#schedule();
  }

  #schedule(): void {
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined;
      this.#send();
    });
  }

  #cancelFlush(): void {
    clearImmediate(this.#flush);
    this.#flush = undefined;
  }

  #send(): void {
    this.#length = 0;
    if (!this.redis.isUp) return this.#keepAll();
    const commands: Command[] = [];
    // Points first: Redis writes last to whom it answered first, and the callers are to be first.
    this.#takePoints(commands);
    const first = commands.length;
    const batches = this.#takeReplies(commands);
    this.#takeReceived(commands);
    this.#takeStrays(commands);
    this.#takeIds(commands);
    if (commands.length === 0) return;
    const isQuiet = this.redis.canBeQuiet && !this.#wantsAnswer;
    // Values may be among what waits for room.
    this.#wantsAnswer &&= this.#replies.size > 0;
    if (isQuiet) this.#sendQuietly(commands, batches);
    else this.#sending = this.#deliver(commands, batches.map(held), first);
    for (const { text } of batches) release(text);
  }

  #sendQuietly(commands: readonly Command[], batches: readonly ReplyBatch[]): void {
    this.redis.sendQuietly(commands);
    for (const { to, message } of batches) this.#unconfirmed.add({ to, message });
  }

  /** Without a connection: the callers ask for their replies when both are back. */
  #keepAll(): void {
    const { incarnation } = this.address;
    for (const frames of this.#replies.values()) {
      for (let first = 0; first < frames.length;) {
        const next = endOfBatch(frames, first);
        const message = replyMessage(incarnation, frames.slice(first, next));
        this.keeper.keepUnclaimed(this.keeper.keepRecent(message, next - first));
        release(message);
        first = next;
      }
    }
    this.#replies = new Map();
    this.#received.clear();
  }

  /** `first`: which of the commands is that of the first batch. */
  async #deliver(
    commands: Command[],
    batches: readonly SentReplies[],
    first: number,
  ): Promise<void> {
    try {
      const answers = await this.redis.pipeline(commands);
      batches.forEach(({ message }, index) => {
        if (answers[first + index]!.value === 0) this.#onUnclaimed(message);
      });
      const refused = answers.find(({ error }) => error !== null);
      if (refused) this.listener.onError(refused.error!);
    } catch {
      // The connection broke: whether the replies arrived is for their callers to ask.
      for (const { message } of batches) this.keeper.keepUnclaimed(message);
    }
  }

  #onUnclaimed(message: SentMessage): void {
    for (const id of this.keeper.keepUnclaimed(message)) this.listener.onUnclaimed(id);
  }

  #takeReplies(commands: Command[]): ReplyBatch[] {
    const batches: ReplyBatch[] = [];
    const waiting = this.#replies;
    // A new Map each time, not one that is emptied: see ChurnMap.
    this.#replies = new Map();
    for (const [to, frames] of waiting) {
      const left = this.#takeFor(to, frames, commands, batches);
      if (left.length > 0) this.#replies.set(to, left);
    }
    return batches;
  }

  /** Returns what has to wait, in its order: values of a stream must not overtake each other. */
  #takeFor(to: string, frames: Text[], commands: Command[], batches: ReplyBatch[]): Text[] {
    let first = 0;
    while (first < frames.length) {
      const next = endOfBatch(frames, first);
      const text = replyMessage(this.address.incarnation, frames.slice(first, next));
      if (!this.flow.take(to, byteLength(text))) break;
      commands.push(['publish', this.keys.inbox(to), text]);
      batches.push({ to, text, message: this.keeper.keepRecent(text, next - first) });
      first = next;
    }
    return frames.slice(first);
  }

  #takeReceived(commands: Command[]): void {
    if (this.#received.size === 0) return;
    for (const [to, length] of this.#received) {
      commands.push([
        'publish',
        this.keys.inbox(to),
        receivedMessage(this.address.incarnation, length),
      ]);
    }
    this.#received.clear();
  }

  #takeStrays(commands: Command[]): void {
    if (this.#strayServices.size === 0) return;
    const { incarnation } = this.address;
    const members = [memberOf(incarnation, false), memberOf(incarnation, true)];
    for (const service of this.#strayServices) {
      commands.push(['zrem', this.keys.service(service), ...members]);
    }
    this.#strayServices.clear();
  }

  #takeIds(commands: Command[]): void {
    if (this.#idBatches.length === 0) return;
    for (const { kind, to, ids } of this.#idBatches) {
      const message = idsMessage(kind, this.address.incarnation, ids);
      commands.push(['publish', this.keys.inbox(to), message]);
    }
    this.#forgetIds();
  }

  #forgetIds(): void {
    this.#ids.clear();
    this.#idBatches = [];
  }

  /** XX: a member that was taken out of its set stays out. */
  #takePoints(commands: Command[]): void {
    for (const points of this.#debtors) {
      if (points.owed === 0) continue;
      const member = memberOf(this.address.incarnation, points.isLimited);
      const { service, owed } = points;
      commands.push(['zadd', this.keys.service(service), 'XX', 'INCR', owed, member]);
      points.returned += owed;
      points.owed = 0;
    }
    this.#debtors = [];
  }
}

interface ReplyBatch extends SentReplies {
  readonly text: Text;
}

type IdsKind = typeof MessageKind.CANCEL | typeof MessageKind.ASK;

interface IdBatch {
  readonly kind: IdsKind;
  readonly to: string;
  readonly ids: string[];
}

/** Until Redis answers: others may leave meanwhile, more than are kept. */
function held({ to, text, message }: ReplyBatch): SentReplies {
  return { to, message: heldMessage(text.toString(), message.replies) };
}

/** Where the message ends that begins with the reply number `first`. What comes in bulk has to be counted by the flow control. */
function endOfBatch(frames: readonly Text[], first: number): number {
  let length = frames[first]!.length;
  let next = first + 1;
  while (next < frames.length) {
    length += frames[next]!.length;
    if (length > EARLY_LENGTH) break;
    next++;
  }
  return next;
}
