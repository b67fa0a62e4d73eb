import { SECOND } from '../common/durations.js';
import type { Keys } from '../protocol/keys.js';
import { isRedisReply, type RedisPort } from '../redis/link.js';
import type { Attempt } from './attempt.js';
import { Batch, type BatchAnswer, isLarge, type Run } from './batch.js';
import type { Call } from './call.js';
import { DispatchScript, type ReturnAddress, type ScriptRun } from './dispatch-script.js';
import { Fence, NO_EPOCH } from './fence.js';
import type { FlowControl } from './flow-control.js';
import { type Destination, LargeFrames } from './large-frames.js';
import { LostBatches } from './lost-batches.js';
import type { DispatchListener } from './ports.js';
import type { RequestHeads } from './request-heads.js';
import { Unanswered } from './unanswered.js';
import { MAX_WAITING_LENGTH, WaitingCalls } from './waiting-calls.js';

/**
 * While the script runs Redis serves nobody else. A batch of 500 takes no less time for each than one of
 * 128, and while Redis is at the next batch the nodes work on this one: a fifth more calls per second.
 */
const MAX_FRAMES = 128;
/** From so many calls on, the first half of those that are made in one turn leaves while the rest is made. */
const MIN_EARLY_FRAMES = 32;
/** In UTF-16 units. Lua hashes every byte; and longer strings V8 puts aside, which takes its time. */
const MAX_BATCH_LENGTH = 64 * 1024;
/**
 * Calls with about so many bytes leave at once. Measured at 10 KB: 13 % more calls per second than with half
 * of it, 60 % more than with all of a turn.
 */
const EARLY_LENGTH = 128 * 1024;
/** For so long after they were sent, calls whose place Redis has lost are not given up. */
const LOST_PATIENCE_MS = 2 * SECOND;
/** What the script says itself. Other refusals say nothing of a batch that was only asked about. */
const OF_THE_FENCE = /^(LOST|STALE)/;

type Answered = Pick<Destination, 'header' | 'redisMs'>;

/**
 * Sends the calls of one turn of the event loop to the script, one batch per service. Most are answered
 * by their nodes before anybody needs to know which these are: of a service whose last batch found its
 * nodes the next is quiet, and its answer is asked for when calls of it are still out after a while. The
 * answer of a batch that was cut off is asked for too. The fence keeps it, and a batch that has none by
 * then never runs.
 * States: paused (calls wait) and running; `resume` and `pause` change it.
 */
export class Dispatcher {
  #waiting = new Map<string, WaitingCalls>();
  readonly #script: DispatchScript;
  readonly #largeFrames: LargeFrames;
  readonly #unanswered = new Unanswered((batch) => this.#ask(batch));
  readonly #lost = new LostBatches(LOST_PATIENCE_MS, (batch) => this.#forget(batch));
  /** Services whose last batch found nodes without a limit for all of its calls. */
  readonly #trusted = new Set<string>();
  /** Of the newest script that has one; answers come in order. */
  #lastAnswer: Promise<void> = Promise.resolve();
  #isPaused = true;
  #flush: NodeJS.Immediate | undefined;
  #sequence = 0;

  constructor(
    private readonly redis: RedisPort,
    keys: Keys,
    address: ReturnAddress,
    private readonly heads: RequestHeads,
    private readonly listener: DispatchListener,
    flow: FlowControl,
    private readonly maxWaiting: number,
    private readonly fence = new Fence(),
  ) {
    this.#script = new DispatchScript(keys, address, heads, fence, listener.full);
    this.#largeFrames = new LargeFrames(redis, keys, heads, listener, flow, (call) =>
      this.add(call),
    );
  }

  add(call: Call): void {
    call.isSent = false;
    const waiting = this.#waiting.get(call.service) ?? new WaitingCalls();
    if (waiting.size === 0) this.#waiting.set(call.service, waiting);
    waiting.add(call);
    if (this.#isAlone || this.#isEarly(waiting, call)) this.#sendWaiting();
    else this.#schedule();
  }

  /** Whether as many calls wait as may. */
  get isFull(): boolean {
    let [calls, length] = [0, 0];
    for (const waiting of this.#waiting.values()) {
      calls += waiting.size;
      length += waiting.length;
    }
    return calls >= this.maxWaiting || length >= MAX_WAITING_LENGTH;
  }

  /** Nothing is out, and nothing waits: whoever makes calls one after the other need not wait for the end of the turn. */
  get #isAlone(): boolean {
    return this.listener.inFlight === 1 && this.#flush === undefined;
  }

  /** Caller, Redis and nodes then work at the same time instead of one after the other. */
  #isEarly(waiting: WaitingCalls, { body }: Call): boolean {
    const frames = Math.max(MIN_EARLY_FRAMES, this.listener.inFlight / 2);
    if (waiting.size >= Math.min(MAX_FRAMES, frames)) return true;
    // One more like it would be too much.
    return waiting.length + body.length > EARLY_LENGTH;
  }

  /** One that was sent has to be cancelled at its node, which is found out at once. */
  remove(call: Call): void {
    if (call.isSent) this.#unanswered.askSoon(call);
    else this.#waiting.get(call.service)?.remove(call);
  }

  /** A node that was full may have room again. */
  onRoom(incarnation: string): void {
    this.#largeFrames.onRoom(incarnation);
  }

  /** Resolves when it is known where all calls are that were sent. */
  async allKnown(): Promise<void> {
    this.#unanswered.askNow();
    await this.#lastAnswer;
  }

  /** Asks for the epoch of the fence. A batch that is sent without one comes back, and says it too. */
  async openFence(): Promise<void> {
    if (this.fence.epoch !== NO_EPOCH) return;
    const nothing = new Batch('', 0, performance.now(), [], NO_EPOCH);
    const { keys, args } = this.#script.ask(nothing, nothing.sentAt);
    try {
      const answer = nothing.readAnswer(String(await this.redis.run('dispatch', keys, args)));
      if (answer?.epoch !== undefined) this.fence.enter(answer.epoch);
    } catch (error) {
      // The first call has an owner who wants to know why; who only serves need not have the rights.
      if (!isRedisReply(error)) throw error;
    }
  }

  pause(): void {
    this.#isPaused = true;
    this.#unanswered.cutOff();
    // A Redis that has lost its scripts would not say so.
    this.#trusted.clear();
    for (const call of this.#largeFrames.takeBack()) this.add(call);
  }

  /** Sends what was out when the connection broke, then what has gathered since. */
  resume(): void {
    this.#isPaused = false;
    this.#unanswered.resume();
    this.fence.doubt();
    for (const batch of this.#unanswered.lost()) this.#askAgain(batch);
    this.#schedule();
  }

  close(): void {
    this.#isPaused = true;
    clearImmediate(this.#flush);
    this.#flush = undefined;
    this.#waiting.clear();
    this.#largeFrames.takeBack();
    this.#unanswered.clear();
    this.#lost.clear();
    this.fence.leave();
    this.#trusted.clear();
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
    for (const [service, calls] of this.#waiting) {
      if (!this.#sendSome(service, calls)) return;
    }
    // Not one that is emptied: see ChurnMap.
    this.#waiting = new Map();
  }

  /** Whether all could be sent; if not, the next answer makes room. */
  #sendSome(service: string, calls: WaitingCalls): boolean {
    while (calls.size > 0) {
      const sequence = this.#unanswered.numberAfter(this.#sequence);
      if (sequence === undefined) return false;
      // For each batch: a process that is frozen here must not send with the time of before.
      const now = performance.now();
      const some = calls.take(MAX_FRAMES, MAX_BATCH_LENGTH, now);
      if (some.length === 0) continue;
      this.#sequence = sequence;
      const batch = new Batch(service, sequence, now, some, this.fence.epoch, this.redis.serverId);
      const isQuiet = this.#mayBeQuiet(batch, now);
      const run = this.#script.place(batch, now);
      for (const call of some) call.isSent = true;
      if (isQuiet) this.#sendQuietly(batch, run);
      else this.#send(batch, run);
    }
    return true;
  }

  /**
   * As long as it is not known who has a call, everybody's refusal of it counts, also of somebody who was given the
   * request by a third party: who asks for signatures does not want that.
   */
  #mayBeQuiet(batch: Batch, now: number): boolean {
    if (this.heads.areSigned || this.fence.mayHaveExpired(now)) return false;
    return this.redis.canBeQuiet && this.#trusted.has(batch.service) && batch.canBeQuiet;
  }

  #sendQuietly(batch: Batch, { keys, args }: ScriptRun): void {
    batch.isQuiet = true;
    this.#unanswered.add(batch);
    this.redis.runQuietly('dispatch', keys, args);
  }

  #send(batch: Batch, { keys, args, header }: ScriptRun): void {
    batch.isLost = false;
    this.#unanswered.add(batch);
    this.#lastAnswer = this.redis.run('dispatch', keys, args).then(
      (answer) => this.#onAnswer(batch, header, String(answer)),
      (error: unknown) => this.#onError(batch, error as Error),
    );
  }

  /** Asks for the answer. If there is none, and Redis still has the fence, the batch has not run, and never will. */
  #ask(batch: Batch): void {
    batch.isAskedFor = true;
    this.#send(batch, this.#script.ask(batch, performance.now()));
  }

  /** The answer was lost with the connection. */
  #askAgain(batch: Batch): void {
    batch.isResent = true;
    batch.isQuiet = false;
    if (batch.epoch !== NO_EPOCH) return this.#ask(batch);
    this.#unanswered.remove(batch);
    this.#addAgain(batch);
  }

  #onAnswer(batch: Batch, header: string, answer: string): void {
    if (!this.#unanswered.has(batch)) return;
    const read = batch.readAnswer(answer);
    if (read === undefined) return this.#onWrongAnswer(batch);
    this.#unanswered.remove(batch);
    const { redisMs, runs } = read;
    if (runs.length > 0 && runs.every(isTrustworthy)) this.#trusted.add(batch.service);
    else this.#trusted.delete(batch.service);
    if (runs.length === 0) this.#onNotRun(batch, read);
    for (const run of runs) this.#onRun(batch, run, { header, redisMs });
    this.#schedule();
  }

  /** That of another command: the next connection asks for the right one. */
  #onWrongAnswer(batch: Batch): void {
    batch.isLost = true;
    this.redis.reset();
  }

  #onRun(batch: Batch, run: Run, answered: Answered): void {
    const large: Attempt[] = [];
    for (let index = run.first; index < run.end; index++) {
      if (run.unplaced === undefined && isLarge(batch.calls[index]!))
        large.push(batch.attemptAt(index));
      else this.#tell(batch, index, run);
    }
    if (large.length === 0) return;
    const { service, sentAt, isResent } = batch;
    const { member, incarnation } = run;
    this.#largeFrames.send({ service, sentAt, isResent, member, incarnation, ...answered }, large);
  }

  #tell(batch: Batch, index: number, run: Run): void {
    if (batch.isVoid(index)) return;
    const { isResent } = batch;
    const { call, attempt } = batch.attemptAt(index);
    if (run.unplaced === undefined)
      this.listener.onPlaced(call, attempt, run.incarnation, isResent);
    else this.listener.onUnplaced(call, attempt, run.unplaced);
  }

  /**
   * Another server may have been given less than the last one knew, and then its fence says little. So may one
   * that does not say who it is.
   */
  #onNotRun(batch: Batch, { epoch }: BatchAnswer): void {
    const { serverId } = batch;
    if (epoch !== undefined) this.#onBounced(batch, epoch);
    else if (serverId !== undefined && serverId === this.redis.serverId) this.#addAgain(batch);
    else this.#forget(batch);
  }

  /** It came into a fence that is not the one it was sent into, or is the first of all. */
  #onBounced(batch: Batch, epoch: string): void {
    if (batch.epoch === this.fence.epoch) {
      this.fence.enter(epoch);
      this.#onFenceGone();
    }
    this.#addAgain(batch);
  }

  /** None of these has run. */
  #addAgain(batch: Batch): void {
    batch.calls.forEach((call, index) => {
      if (batch.isCurrent(index)) this.add(call);
    });
  }

  #onError(batch: Batch, error: Error): void {
    if (!this.#unanswered.has(batch)) return;
    if (!isRedisReply(error)) {
      batch.isLost = true;
      return;
    }
    this.#trusted.delete(batch.service);
    if (batch.isAskedFor && !OF_THE_FENCE.test(error.message)) this.#unanswered.refuse(batch);
    else this.#onRefused(batch, error);
    this.#schedule();
  }

  #onRefused(batch: Batch, error: Error): void {
    this.#unanswered.remove(batch);
    if (error.message.startsWith('LOST')) this.#onLost(batch);
    else if (error.message.startsWith('STALE')) this.#forget(batch);
    else if (error.message.startsWith('READONLY')) this.#addAgain(batch);
    else batch.forEach((call, attempt) => this.listener.onRefused(call, attempt, error));
  }

  #onLost(batch: Batch): void {
    if (batch.epoch === this.fence.epoch) this.#onFenceGone();
    this.#lost.add(batch);
  }

  /** Whatever is quiet comes back, and nobody would hear of it for some time. */
  #onFenceGone(): void {
    this.#trusted.clear();
    this.#unanswered.askNow();
  }

  #forget(batch: Batch): void {
    batch.forEach((call, attempt) => this.listener.onForgotten(call, attempt));
  }
}

/** Its node is there, and will take more: what the next batch says can wait. */
function isTrustworthy({ member, incarnation, unplaced }: Run): boolean {
  return unplaced === undefined && member === incarnation;
}
