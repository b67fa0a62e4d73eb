import { idsMessage, receivedMessage, replyMessage } from '../protocol/encode.js';
import { MessageKind } from '../protocol/frames.js';
import { memberOf } from '../protocol/ids.js';
import type { Keys } from '../protocol/keys.js';
import type { Command, RedisPort } from '../redis/link.js';
import type { FlowControl } from './flow-control.js';
import type { PointCount } from './points.js';
import type { ReplyKeeper } from './reply-keeper.js';

/** Far below what makes Redis drop a subscriber. */
const MAX_MESSAGE_LENGTH = 1024 * 1024;
/** Up to this many ids of 16 characters are one message. */
const MAX_IDS = 5000;

interface OutgoingReply {
  readonly id: string;
  readonly frame: string;
  /** Whether it is the answer of a handler, which is kept for a caller that asks again. */
  readonly isKept: boolean;
}

export interface OutboxListener {
  /** What is not kept, a value of a stream, reached nobody: its caller is gone. */
  onUnclaimed(id: string): void;
  onError(error: Error): void;
}

/**
 * What leaves for other nodes besides requests: replies, points given back, cancels and asks. All of
 * one turn of the event loop is one pipeline.
 */
export class Outbox {
  readonly #replies = new Map<string, OutgoingReply[]>();
  #points = new Map<PointCount, number>();
  /** The batch that takes more ids, by kind and receiver. */
  readonly #ids = new Map<string, IdBatch>();
  #idBatches: IdBatch[] = [];
  /** How much was read of long messages, by their sender. */
  readonly #received = new Map<string, number>();
  readonly #strayServices = new Set<string>();
  #flush: NodeJS.Immediate | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(
    private readonly redis: RedisPort,
    private readonly keys: Keys,
    private readonly address: { readonly incarnation: string },
    private readonly keeper: ReplyKeeper,
    private readonly flow: FlowControl,
    private readonly listener: OutboxListener,
  ) {}

  /** `to` is the incarnation of the caller. */
  reply(to: string, id: string, frame: string, isKept: boolean): void {
    if (isKept) this.keeper.keepRecent(id, frame);
    const replies = this.#replies.get(to);
    if (replies) replies.push({ id, frame, isKept });
    else this.#replies.set(to, [{ id, frame, isKept }]);
    this.#schedule();
  }

  /** Gives one point back, or `count` of them, which may be negative. */
  point(service: PointCount, count = 1): void {
    this.#points.set(service, (this.#points.get(service) ?? 0) + count);
    this.#schedule();
  }

  /** Takes this incarnation out of a service that it does not serve. */
  removeMember(service: string): void {
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

  /** Sends what is waiting, and resolves when Redis has all that was sent, or cannot be reached. */
  async flushed(): Promise<void> {
    this.#cancelFlush();
    this.#send();
    await this.#sending;
  }

  /** A new incarnation begins: points that were to be given back to the last one are of no account. */
  forgetPoints(): void {
    this.#points.clear();
  }

  close(): void {
    this.#cancelFlush();
    this.#replies.clear();
    this.#points.clear();
    this.#forgetIds();
  }

  #addId(kind: IdsKind, to: string, id: string): void {
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
    if (!this.redis.isUp) return this.#keepAll();
    const batches = this.#takeReplies();
    const commands: Command[] = batches.map(({ to, message }) => [
      'publish',
      this.keys.inbox(to),
      message,
    ]);
    this.#takeReceived(commands);
    this.#takeStrays(commands);
    this.#takeIds(commands);
    this.#takePoints(commands);
    if (commands.length === 0) return;
    this.#sending = this.#deliver(commands, batches);
  }

  /** Without a connection: the callers ask for their replies when both are back. */
  #keepAll(): void {
    for (const replies of this.#replies.values()) this.#keepForLater(replies);
    this.#replies.clear();
    this.#received.clear();
  }

  async #deliver(commands: Command[], batches: readonly ReplyBatch[]): Promise<void> {
    try {
      const answers = await this.redis.pipeline(commands);
      batches.forEach(({ replies }, index) => {
        if (answers[index]!.value === 0) this.#onUnclaimed(replies);
      });
      const refused = answers.find(({ error }) => error !== null);
      if (refused) this.listener.onError(refused.error!);
    } catch {
      // The connection broke: whether the replies arrived is for their callers to ask.
      this.#keepForLater(batches.flatMap(({ replies }) => replies));
    }
  }

  #onUnclaimed(replies: readonly OutgoingReply[]): void {
    this.#keepForLater(replies);
    for (const { id, isKept } of replies) if (!isKept) this.listener.onUnclaimed(id);
  }

  #keepForLater(replies: readonly OutgoingReply[]): void {
    for (const { id, frame, isKept } of replies) if (isKept) this.keeper.keepUnclaimed(id, frame);
  }

  #takeReplies(): ReplyBatch[] {
    const batches: ReplyBatch[] = [];
    for (const [to, replies] of this.#replies) {
      const left = this.#takeFor(to, replies, batches);
      if (left.length > 0) this.#replies.set(to, left);
      else this.#replies.delete(to);
    }
    return batches;
  }

  /** Returns what has to wait, in its order: values of a stream must not overtake each other. */
  #takeFor(to: string, replies: OutgoingReply[], batches: ReplyBatch[]): OutgoingReply[] {
    let first = 0;
    while (first < replies.length) {
      const next = endOfBatch(replies, first);
      const batch = replies.slice(first, next);
      const message = replyMessage(
        this.address.incarnation,
        batch.map(({ frame }) => frame),
      );
      if (!this.flow.take(to, message.length)) break;
      batches.push({ to, replies: batch, message });
      first = next;
    }
    return replies.slice(first);
  }

  #takeReceived(commands: Command[]): void {
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
    const { incarnation } = this.address;
    const members = [memberOf(incarnation, false), memberOf(incarnation, true)];
    for (const service of this.#strayServices) {
      commands.push(['zrem', this.keys.service(service), ...members]);
    }
    this.#strayServices.clear();
  }

  #takeIds(commands: Command[]): void {
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
    for (const [points, count] of this.#points) {
      const member = memberOf(this.address.incarnation, points.isLimited);
      points.returned += count;
      commands.push(['zadd', this.keys.service(points.service), 'XX', 'INCR', count, member]);
    }
    this.#points.clear();
  }
}

type IdsKind = typeof MessageKind.CANCEL | typeof MessageKind.ASK;

interface IdBatch {
  readonly kind: IdsKind;
  readonly to: string;
  readonly ids: string[];
}

interface ReplyBatch {
  readonly to: string;
  readonly replies: readonly OutgoingReply[];
  readonly message: string;
}

/** Where the message that begins with the reply number `first` ends. */
function endOfBatch(replies: readonly OutgoingReply[], first: number): number {
  let length = replies[first]!.frame.length;
  let next = first + 1;
  while (next < replies.length) {
    length += replies[next]!.frame.length;
    if (length > MAX_MESSAGE_LENGTH) break;
    next++;
  }
  return next;
}
