import { MINUTE } from '../common/durations.js';
import { requestFrame, requestHeader, requestMessage } from '../protocol/encode.js';
import { ONE_WAY } from '../protocol/frames.js';
import { incarnationOfMember } from '../protocol/ids.js';
import type { Keys } from '../protocol/keys.js';
import { type Answer, isRedisReply, type RedisPort } from '../redis/link.js';
import { Batch, type Placement } from './batch.js';
import type { Call } from './call.js';
import type { FlowControl } from './flow-control.js';
import type { DispatchListener } from './ports.js';

/** Redis serves nobody else while the script runs, and drops a subscriber that gets too much at once. */
const MAX_FRAMES = 500;
/** In UTF-16 units, of which one takes up to three bytes: 4 MiB. */
const MAX_BATCH_LENGTH = Math.floor((4 * 1024 * 1024) / 3);
/** Batches that may be out without an answer. The script keeps as many answers, so none is forgotten. */
const FENCE_SLOTS = 256;
const FENCE_TTL_MS = 10 * MINUTE;
const FENCE_RENEWAL_MS = 1 * MINUTE;
/** From this length on a frame does not pass through Lua, which would hash every byte of it twice. */
const LARGE_FRAME_LENGTH = 4 * 1024;
/** Id, time left and attempt of a frame take less. */
const FRAME_OVERHEAD = 100;
const PICK_ONLY = '';
const SKIP = '-';

/** Where this process is heard, as far as its dispatcher needs to know. */
export interface ReturnAddress {
  readonly nodeId: string;
  readonly incarnation: string;
}

/** A request that the script gave to a node, and whose frame is too long to pass through it. */
interface LargeFrame {
  readonly call: Call;
  readonly attempt: number;
  readonly member: string;
  readonly header: string;
  /** When the script picked the node, by Redis's clock and by ours. */
  readonly redisMs: number;
  readonly now: number;
  readonly isResent: boolean;
}

/**
 * Sends the calls of one turn of the event loop to the script, one batch per service. A batch whose
 * answer was lost with the connection is sent again; the fence makes it run once.
 * States: paused (calls wait) and running; `resume` and `pause` change it.
 */
export class Dispatcher {
  #waiting = new Map<string, Set<Call>>();
  /** Large frames that have their node, by its incarnation. */
  readonly #waitingForRoom = new Map<string, LargeFrame[]>();
  readonly #unanswered = new Map<number, Batch>();
  #isPaused = true;
  #flush: NodeJS.Immediate | undefined;
  #sequence = 0;
  #fenceRenewedAt = -Infinity;

  constructor(
    private readonly redis: RedisPort,
    private readonly keys: Keys,
    private readonly address: ReturnAddress,
    private readonly listener: DispatchListener,
    private readonly flow: FlowControl,
  ) {}

  add(call: Call): void {
    const waiting = this.#waiting.get(call.service);
    if (waiting) waiting.add(call);
    else this.#waiting.set(call.service, new Set([call]));
    this.#schedule();
  }

  remove(call: Call): void {
    this.#waiting.get(call.service)?.delete(call);
  }

  /** A node that was full may have room again. */
  onRoom(incarnation: string): void {
    const waiting = this.#waitingForRoom.get(incarnation) ?? [];
    this.#waitingForRoom.delete(incarnation);
    for (const large of waiting) this.#sendLarge(large);
  }

  pause(): void {
    this.#isPaused = true;
    const waiting = [...this.#waitingForRoom.values()].flat();
    this.#waitingForRoom.clear();
    for (const { call, attempt } of waiting) {
      if (!call.isSettled && attempt === call.attempt) this.add(call);
    }
  }

  /** Sends what was out when the connection broke, then what has gathered since. */
  resume(): void {
    this.#isPaused = false;
    // The fence may have gone with what Redis lost.
    this.#fenceRenewedAt = -Infinity;
    const lost = [...this.#unanswered.values()].filter((batch) => batch.isLost);
    for (const batch of lost) this.#resend(batch);
    this.#schedule();
  }

  close(): void {
    this.#isPaused = true;
    clearImmediate(this.#flush);
    this.#flush = undefined;
    this.#waiting.clear();
    this.#waitingForRoom.clear();
    this.#unanswered.clear();
  }

  /** setImmediate, so that all calls that are made while one chunk of input is handled share a batch. */
  #schedule(): void {
    if (this.#isPaused || this.#flush !== undefined || this.#waiting.size === 0) return;
    this.#flush = setImmediate(() => {
      this.#flush = undefined;
      this.#sendWaiting();
    });
  }

  #sendWaiting(): void {
    if (this.#isPaused) return;
    const now = performance.now();
    for (const [service, calls] of this.#waiting) {
      if (!this.#sendSome(service, calls, now)) return;
      this.#waiting.delete(service);
    }
  }

  /** Whether all could be sent; if not, the next answer makes room. */
  #sendSome(service: string, calls: Set<Call>, now: number): boolean {
    while (calls.size > 0) {
      if (this.#unanswered.size >= FENCE_SLOTS) return false;
      const batch = this.#takeBatch(service, calls, now);
      if (batch.entries.length > 0) this.#send(batch, now);
    }
    return true;
  }

  #takeBatch(service: string, calls: Set<Call>, now: number): Batch {
    const batch = new Batch(service, this.#sequence + 1, now);
    let length = 0;
    for (const call of calls) {
      if (!isLarge(call)) length += call.body.length + FRAME_OVERHEAD;
      if (batch.entries.length === MAX_FRAMES || length > MAX_BATCH_LENGTH) break;
      calls.delete(call);
      if (!call.isSettled) batch.add(call);
    }
    return batch;
  }

  #send(batch: Batch, now: number): void {
    if (this.#sequence < batch.sequence) this.#sequence = batch.sequence;
    this.#unanswered.set(batch.sequence, batch);
    batch.isLost = false;
    const { incarnation, nodeId } = this.address;
    const header = requestHeader(incarnation, batch.service);
    const args = [
      batch.sequence,
      FENCE_SLOTS,
      this.#fenceTtlMs(now),
      this.keys.inboxPrefix,
      header,
      batch.exclusions(),
      ...batch.entries.map(({ call, attempt }) => frameForScript(call, attempt, now)),
    ];
    this.redis
      .run('dispatch', [this.keys.service(batch.service), this.keys.fence(nodeId)], args)
      .then(
        (answer) => this.#onAnswer(batch, header, String(answer)),
        (error: unknown) => this.#onError(batch, error as Error),
      );
  }

  #fenceTtlMs(now: number): number {
    if (now - this.#fenceRenewedAt < FENCE_RENEWAL_MS) return 0;
    this.#fenceRenewedAt = now;
    return FENCE_TTL_MS;
  }

  #resend(batch: Batch): void {
    const now = performance.now();
    batch.isResent = true;
    const isRemembered = now - batch.sentAt < FENCE_TTL_MS - FENCE_RENEWAL_MS;
    if (isRemembered && batch.isWanted) return this.#send(batch, now);
    this.#unanswered.delete(batch.sequence);
    this.#forget(batch);
  }

  #onAnswer(batch: Batch, header: string, answer: string): void {
    this.#unanswered.delete(batch.sequence);
    const { redisMs, placements } = batch.readAnswer(answer);
    const now = performance.now();
    for (const placement of placements) {
      const { call, attempt, member } = placement;
      if (member === undefined || !isLarge(call)) this.#tell(placement, batch.isResent);
      else
        this.#sendLarge({ call, attempt, member, redisMs, now, header, isResent: batch.isResent });
    }
    this.#schedule();
  }

  #tell({ call, attempt, member, unplaced }: Placement, isResent: boolean): void {
    if (member !== undefined) {
      this.listener.onPlaced(call, attempt, incarnationOfMember(member), isResent);
    } else if (unplaced !== undefined) {
      this.listener.onUnplaced(call, attempt, unplaced);
    }
  }

  /** The second step of a large frame: the script took the point, PUBLISH carries the bytes. */
  #sendLarge(large: LargeFrame): void {
    const { call, attempt, member, redisMs, now, header } = large;
    if (call.isSettled || attempt !== call.attempt) return;
    const incarnation = incarnationOfMember(member);
    const message = requestMessage(redisMs, header, frameOf(call, attempt, now));
    if (this.flow.take(incarnation, message.length)) return void this.#publish(large, message);
    const waiting = this.#waitingForRoom.get(incarnation);
    if (waiting) waiting.push(large);
    else this.#waitingForRoom.set(incarnation, [large]);
  }

  async #publish({ call, attempt, member, isResent }: LargeFrame, message: string): Promise<void> {
    const incarnation = incarnationOfMember(member);
    let answer: Answer | undefined;
    try {
      [answer] = await this.redis.pipeline([['publish', this.keys.inbox(incarnation), message]]);
    } catch {
      // Cut off: whether the frame went out is for the node to say, once the path is open again.
      if (call.isOneWay) return this.listener.onForgotten(call, attempt);
      return this.listener.onPlaced(call, attempt, incarnation, isResent);
    }
    if (answer?.error) return this.listener.onRefused(call, attempt, answer.error);
    if (answer?.value !== 0) return this.listener.onPlaced(call, attempt, incarnation, isResent);
    await this.#removeDead(call.service, member);
    if (!call.isSettled && attempt === call.attempt) this.add(call);
  }

  async #removeDead(service: string, member: string): Promise<void> {
    try {
      await this.redis.pipeline([['zrem', this.keys.service(service), member]]);
    } catch {
      // Cut off as well: the next dispatch, or a sweep, finds the dead member again.
    }
  }

  #onError(batch: Batch, error: Error): void {
    if (!isRedisReply(error)) {
      batch.isLost = true;
      return;
    }
    this.#unanswered.delete(batch.sequence);
    if (error.message.startsWith('STALE')) this.#forget(batch);
    else
      for (const { call, attempt } of batch.entries) this.listener.onRefused(call, attempt, error);
    this.#schedule();
  }

  #forget(batch: Batch): void {
    for (const { call, attempt } of batch.entries) this.listener.onForgotten(call, attempt);
  }
}

function isLarge(call: Call): boolean {
  return call.body.length > LARGE_FRAME_LENGTH;
}

function frameForScript(call: Call, attempt: number, now: number): string {
  if (call.isSettled || attempt !== call.attempt) return SKIP;
  return isLarge(call) ? PICK_ONLY : frameOf(call, attempt, now);
}

function frameOf(call: Call, attempt: number, now: number): string {
  return requestFrame(call.id, call.timeLeftMs(now), call.isOneWay ? ONE_WAY : attempt, call.body);
}
