import { idsMessage, receivedMessage, windowMessage } from '../protocol/encode.js';
import { type Consumed, MessageKind } from '../protocol/frames.js';
import { memberOf } from '../protocol/ids.js';
import type { Keys } from '../protocol/keys.js';
import type { Signer } from '../protocol/signer.js';
import { release, type Text } from '../protocol/text.js';
import type { Command, RedisPort } from '../redis/link.js';
import type { FlowControl } from './flow-control.js';
import type { PointCount } from './points.js';
import type { ReplyKeeper, UnclaimedStream } from './reply-keeper.js';
import { held, type ReplyBatch, ReplyQueue } from './reply-queue.js';
import { RoomNotices } from './room-notices.js';
import type { SentReplies } from './unconfirmed.js';

/** Up to this many ids of 16 characters are one message. */
const MAX_IDS = 5000;

export interface OutboxListener {
  /** What was said of a stream reached nobody: its caller is away. */
  onUnclaimed(stream: UnclaimedStream): void;
  onError(error: Error): void;
}

/**
 * What leaves for other nodes besides requests: replies, points given back, cancels and asks. All of
 * one turn of the event loop is one pipeline.
 */
export class Outbox {
  readonly #replies: ReplyQueue;
  readonly #notices: RoomNotices;
  /** Counts that owe points. */
  #debtors: PointCount[] = [];
  /** Of services that somebody waits for: how many were given back. */
  #freed: [points: PointCount, count: number][] = [];
  /** The batch that takes more ids, by kind and receiver. */
  readonly #ids = new Map<string, IdBatch>();
  #idBatches: IdBatch[] = [];
  /** How much was read of long messages, by their sender. */
  readonly #received = new Map<string, number>();
  /** How many values of streams were consumed: by the node that sends them, then by call. */
  readonly #consumed = new Map<string, Map<string, number>>();
  readonly #strayServices = new Set<string>();
  /** Whether something waits that Redis has to answer: all but points and the answers of handlers. */
  #wantsAnswer = false;
  #flush: NodeJS.Immediate | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(
    private readonly redis: RedisPort,
    private readonly keys: Keys,
    private readonly address: { readonly incarnation: string },
    private readonly signer: Signer,
    keeper: ReplyKeeper,
    flow: FlowControl,
    private readonly listener: OutboxListener,
  ) {
    this.#replies = new ReplyQueue(redis, keys, address, signer, keeper, flow, (stream) =>
      listener.onUnclaimed(stream),
    );
    this.#notices = new RoomNotices(redis, keys, address, (error) => listener.onError(error));
  }

  /** No call of this process waits for room in the service any more. */
  leaveLine(service: string): void {
    void this.#notices.leave(service);
  }

  /** `to` is the incarnation of the caller. */
  reply(to: string, frame: Text): void {
    // Redis and the callers work while the next are being made.
    if (this.#replies.add(to, frame)) this.#send();
    else this.#schedule();
  }

  /** One value of a stream: whether somebody gets it is to be known at once, as the next ones follow. */
  value(to: string, frame: Text): void {
    this.#wantsAnswer = true;
    this.reply(to, frame);
  }

  /** The answer that this node has given to a call, as a frame; also while that waits to be sent. */
  answerTo(id: string): string | undefined {
    return this.#replies.answerTo(id);
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

  /** Tells a node how many values of its stream were consumed so far. */
  consumed(to: string, id: string, count: number): void {
    const counts = this.#consumed.get(to);
    if (counts) counts.set(id, count);
    else this.#consumed.set(to, new Map([[id, count]]));
    this.#schedule();
  }

  /** A receiver that was full may have room: what waits for it is tried again. */
  onRoom(to: string): void {
    if (this.#replies.hasFor(to)) this.#schedule();
  }

  /** Sends what is waiting now instead of at the end of the turn. */
  send(): void {
    this.#cancelFlush();
    this.#send();
  }

  /** Sends what is waiting, and resolves when Redis has all that was sent, or cannot be reached. */
  async flushed(): Promise<void> {
    this.send();
    await Promise.all([this.#sending, this.#replies.confirmed()]);
  }

  /** A new incarnation begins: points that were to be given back to the last one are of no account. */
  forgetPoints(): void {
    for (const points of this.#debtors) points.owed = 0;
    this.#debtors = [];
  }

  /** The connection is gone: who was there for the last replies can no longer be asked. */
  cutOff(): void {
    this.#replies.giveUp();
  }

  close(): void {
    this.#cancelFlush();
    this.#replies.close();
    this.forgetPoints();
    this.#forgetIds();
    this.#consumed.clear();
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
    if (!this.redis.isUp) return this.#keepReplies();
    // Points first: Redis writes last to whom it answered first, and the callers are to be first.
    const points = this.#takePoints();
    const batches = this.#replies.take();
    const commands = [...points, ...batches.map(({ command }) => command)];
    this.#takeReceived(commands);
    this.#takeStrays(commands);
    this.#takeIds(commands);
    this.#takeConsumed(commands);
    if (commands.length === 0) return;
    const isQuiet = this.redis.canBeQuiet && !this.#wantsAnswer;
    // Values may be among what waits for room.
    this.#wantsAnswer &&= !this.#replies.isEmpty;
    if (isQuiet) this.#sendQuietly(commands, batches);
    else this.#sending = this.#deliver(commands, batches.map(held), points.length);
    if (this.#freed.length > 0) this.#tellOfRoom();
    for (const { text } of batches) release(text);
  }

  #sendQuietly(commands: readonly Command[], batches: readonly ReplyBatch[]): void {
    this.redis.sendQuietly(commands);
    this.#replies.sentQuietly(batches);
  }

  #tellOfRoom(): void {
    for (const [points, count] of this.#freed) void this.#notices.onFreed(points, count);
    this.#freed = [];
  }

  #keepReplies(): void {
    this.#replies.keepAll();
    this.#received.clear();
    // It is said again on the next connection.
    this.#consumed.clear();
  }

  /** `first`: which of the commands is that of the first batch. */
  async #deliver(
    commands: readonly Command[],
    batches: readonly SentReplies[],
    first: number,
  ): Promise<void> {
    try {
      const answers = await this.redis.pipeline(commands);
      this.#replies.answered(batches, answers.slice(first));
      const refused = answers.find(({ error }) => error !== null);
      if (refused) this.listener.onError(refused.error!);
    } catch {
      this.#replies.cutOff(batches);
    }
  }

  #takeReceived(commands: Command[]): void {
    if (this.#received.size === 0) return;
    for (const [to, length] of this.#received) {
      commands.push(this.#publish(to, receivedMessage(this.address.incarnation, length)));
    }
    this.#received.clear();
  }

  #publish(to: string, message: string): Command {
    return ['publish', this.keys.inbox(to), this.signer.message(to, message)];
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
      commands.push(this.#publish(to, idsMessage(kind, this.address.incarnation, ids)));
    }
    this.#forgetIds();
  }

  /** After the asks: what a node may send then goes to the new return address. */
  #takeConsumed(commands: Command[]): void {
    for (const [to, counts] of this.#consumed) {
      const all: Consumed[] = [...counts];
      for (let first = 0; first < all.length; first += MAX_IDS) {
        const some = all.slice(first, first + MAX_IDS);
        commands.push(this.#publish(to, windowMessage(this.address.incarnation, some)));
      }
    }
    this.#consumed.clear();
  }

  #forgetIds(): void {
    this.#ids.clear();
    this.#idBatches = [];
  }

  /** XX: a member that was taken out of its set stays out. */
  #takePoints(): Command[] {
    const commands: Command[] = [];
    for (const points of this.#debtors) {
      // One that owed nothing in between is there twice.
      if (points.owed === 0) continue;
      const member = memberOf(this.address.incarnation, points.isLimited);
      const { service, owed } = points;
      commands.push(['zadd', this.keys.service(service), 'XX', 'INCR', owed, member]);
      points.returned += owed;
      if (points.waitMarks > 0 && owed > 0) this.#freed.push([points, owed]);
      points.owed = 0;
    }
    this.#debtors = [];
    return commands;
  }
}

type IdsKind = typeof MessageKind.CANCEL | typeof MessageKind.ASK;

interface IdBatch {
  readonly kind: IdsKind;
  readonly to: string;
  readonly ids: string[];
}
