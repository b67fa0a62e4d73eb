import { SECOND } from '../common/durations.js';
import {
  CloudsCancelledError,
  type CloudsError,
  CloudsExpiredError,
  CloudsNoNodeError,
  CloudsOverloadedError,
  CloudsUnserializableError,
} from '../common/errors.js';
import { messages } from '../common/messages.js';
import { progressFrame, refusalFrame, unknownFrame } from '../protocol/encode.js';
import {
  type Consumed,
  ONE_WAY,
  type RequestFrame,
  type RequestMessage,
} from '../protocol/frames.js';
import type { Text } from '../protocol/text.js';
import { IncomingRequest } from './incoming-request.js';
import type { Outbox } from './outbox.js';
import type { Reporter } from './ports.js';
import type { UnclaimedStream } from './reply-keeper.js';
import { Pacer, type Start } from './pacer.js';
import type { RedisClock } from './redis-clock.js';
import type { Registration, Registry } from './registry.js';
import { cancelled, refusalOf, Responses } from './responses.js';
import { RunningRequests } from './running-requests.js';
import { withinRequest } from './request-scope.js';

/**
 * Of its time that is left a request may wait so much for its start. A node with more work than it can do would
 * else work on requests whose callers give up just before the reply is there.
 */
const WAITING_SHARE = 0.5;
/** A caller that has lost its connection is back before that, if it comes back. */
const CALLER_RETURN_MS = 2 * SECOND;

export interface ExecutorLimits {
  readonly maxPayloadBytes: number;
  readonly maxRunning: number;
}

/** What the requests of one message share. */
interface Delivery {
  /** The incarnation of the caller. */
  readonly from: string;
  readonly registration: Registration;
  /** When it was dispatched, by `performance.now()`. */
  readonly sentAt: number;
  /** About what one of its frames takes. */
  readonly frameBytes: number;
}

/**
 * Runs the requests that arrive, each at most once. Every request that arrives has taken a point, and gives it back
 * once: when it is refused or when it settles.
 */
export class Executor {
  readonly #running = new RunningRequests();
  readonly #responses: Responses;
  #handled = 0;
  #isAccepting = false;
  readonly #pacer = new Pacer({
    onTurn: (start) => this.#run(start),
    onTooLate: (start) => this.#refuseLate(start),
  });

  constructor(
    private readonly registry: Registry,
    private readonly outbox: Outbox,
    private readonly clock: RedisClock,
    private readonly limits: ExecutorLimits,
    private readonly reporter: Pick<Reporter, 'eventDropped' | 'refusedAsFull'>,
  ) {
    this.#responses = new Responses(outbox, limits.maxPayloadBytes, (request) =>
      this.#onSettled(request),
    );
  }

  get running(): number {
    return this.#running.size;
  }

  get requests(): IncomingRequest[] {
    return this.#running.values();
  }

  /** Requests that were settled. */
  get handled(): number {
    return this.#handled;
  }

  /** `bytes`: how long the message was. */
  accept(message: RequestMessage, bytes: number): void {
    const { from, service, redisMs, frames, malformed, malformedIds } = message;
    for (const id of malformedIds) this.#refuseUnreadable(from, id);
    const registration = this.registry.get(service);
    if (registration === undefined) return this.#refuseAll(from, service, frames);
    registration.taken += frames.length + malformed;
    if (message.someWait) registration.waitMarks++;
    if (malformed > 0) this.outbox.point(registration, malformed);
    const sentAt = this.clock.stampedAt(redisMs);
    const delivery = { from, registration, sentAt, frameBytes: bytes / frames.length };
    this.#isAccepting = true;
    for (const frame of frames) this.#acceptOne(delivery, frame);
    this.#isAccepting = false;
    if (this.#running.size === 0) this.outbox.send();
  }

  /** The caller has lost its connection: it waits in another inbox now, and may have missed the reply. */
  onAsk(from: string, ids: readonly string[]): void {
    const replies: Text[] = [];
    for (const id of new Set(ids)) {
      const request = this.#running.of(from, id);
      if (request) this.#goOn(request, from);
      else replies.push(this.outbox.answerTo(id) ?? unknownFrame(id));
    }
    // Not before all are found: an answer is looked for among the replies that wait.
    for (const reply of replies) this.outbox.reply(from, reply);
  }

  onCancel(from: string, ids: readonly string[]): void {
    for (const id of ids) this.#cancel(this.#running.of(from, id));
  }

  #cancel(request: IncomingRequest | undefined): void {
    if (request) this.forsake(request);
  }

  /** Nobody waits for it any more. */
  forsake(request: IncomingRequest): void {
    request.stream?.drop();
    request.cancel(cancelled(request));
    // Its handler will say nothing more.
    if (request.isEnded && !request.isSettled) this.#responses.settle(request, undefined);
  }

  /** Callers have room for more values of their streams. */
  onConsumed(from: string, consumed: readonly Consumed[]): void {
    for (const [id, count] of consumed) this.#running.of(from, id)?.stream?.onConsumed(count);
  }

  /** Resolves when nothing runs any more, or `false` after `limitMs`. */
  idle(limitMs: number): Promise<boolean> {
    return this.#running.idle(limitMs);
  }

  /** Cancels what runs and tells its callers; for a node that cannot wait any longer. */
  abandon(): void {
    for (const request of this.#running.values()) {
      const reason = new CloudsCancelledError(messages.drained(request.service));
      // Answered first: a handler that ends its request because it is cancelled would answer nobody.
      this.#responses.settle(request, refusalOf(request, reason));
      request.cancel(reason);
    }
  }

  /** The caller of a stream is not there. It may be reconnecting; if it has missed values, that does not help. */
  onUnclaimed({ id, hasLost }: UnclaimedStream): void {
    const request = this.#running.get(id);
    const isGone = request?.stream && request.stream.onAway() >= CALLER_RETURN_MS;
    if (hasLost || isGone) this.#cancel(request);
  }

  #onSettled(request: IncomingRequest): void {
    this.#running.remove(request);
    this.#handled++;
    this.outbox.point(request.count);
    if (this.#running.size === 0) this.#onIdle();
  }

  /** No other reply is about to come, so there is nothing to wait for. */
  #onIdle(): void {
    if (!this.#isAccepting) this.outbox.send();
    this.#running.tellIdle();
  }

  // --- what arrives ---

  #acceptOne(delivery: Delivery, frame: RequestFrame): void {
    const { from, registration } = delivery;
    // Of each: those before it may have kept the process for long.
    const now = performance.now();
    const ageMs = now - delivery.sentAt;
    if (this.#isRepeated(from, frame, ageMs)) return this.outbox.point(registration);
    const refusal = this.#refusal(registration, ageMs, frame);
    if (refusal) {
      this.outbox.point(registration);
      return this.#refuse(from, frame, refusal);
    }
    const request = new IncomingRequest(frame, { from, registration, ageMs }, this.#responses);
    this.#running.add(request);
    const [, timeLeftMs] = frame;
    this.#pacer.add({
      request,
      handler: registration.handler,
      startBy: now + WAITING_SHARE * (timeLeftMs - ageMs),
      bytes: delivery.frameBytes,
    });
  }

  #run({ request, handler }: Start): void {
    // Cancelled while it waited. Whoever has come back for its answer is to have it.
    if (!request.isWanted) return this.#responses.settle(request, undefined);
    try {
      withinRequest(request, handler);
    } catch (error) {
      this.#responses.fail(request, error);
    }
  }

  #refuseLate({ request }: Start): void {
    const { id, from, service, isOneWay, lastAttempt } = request;
    const error = new CloudsOverloadedError(messages.tooBusy(service));
    this.#responses.settle(request, isOneWay ? undefined : refusalFrame(id, 0, error, lastAttempt));
    if (isOneWay) this.reporter.eventDropped(error, from);
  }

  /** A call that this node runs, or has answered, is not run again: the caller gets that reply. */
  #isRepeated(from: string, [id, timeLeftMs, attempt]: RequestFrame, ageMs: number): boolean {
    const request = this.#running.get(id);
    if (request?.isOf(from)) {
      request.repeat(from, attempt, timeLeftMs - ageMs);
      this.#goOn(request, from);
    }
    if (request) return true;
    const reply = attempt > 1 ? this.outbox.answerTo(id) : undefined;
    if (reply !== undefined) this.outbox.reply(from, reply);
    return reply !== undefined;
  }

  /** The caller has a new inbox, or thinks that a stream may have lost values: it can count them. */
  #goOn(request: IncomingRequest, from: string): void {
    request.from = from;
    const { id, stream } = request;
    stream?.onHeard();
    if (stream) this.outbox.reply(from, progressFrame(id, stream.sent));
  }

  #refusal(
    registration: Registration,
    ageMs: number,
    [, timeLeftMs]: RequestFrame,
  ): CloudsError | undefined {
    const { service } = registration;
    if (ageMs >= timeLeftMs) {
      return new CloudsExpiredError(messages.expired(service, Math.round(ageMs)));
    }
    if (this.#pacer.isFull) return new CloudsOverloadedError(messages.tooBusy(service));
    if (this.#running.size >= this.limits.maxRunning) return this.#tooManyRun();
    if (!registration.isFull) return undefined;
    return new CloudsOverloadedError(messages.refusedByNode(service, registration.running));
  }

  #tooManyRun(): CloudsError {
    const error = new CloudsOverloadedError(messages.tooManyRun(this.limits.maxRunning));
    this.reporter.refusedAsFull(error);
    return error;
  }

  #refuseAll(from: string, service: string, frames: readonly RequestFrame[]): void {
    // A member that is left from before would bring call after call here.
    this.outbox.removeMember(service);
    const error = new CloudsNoNodeError(messages.notServed(service));
    for (const frame of frames) this.#refuse(from, frame, error);
  }

  #refuseUnreadable(from: string, id: string): void {
    const error = new CloudsUnserializableError(messages.malformedRequest());
    this.outbox.reply(from, refusalFrame(id, 0, error));
  }

  #refuse(from: string, [id, , attempt]: RequestFrame, error: CloudsError): void {
    if (attempt === ONE_WAY) this.reporter.eventDropped(error, from);
    else this.outbox.reply(from, refusalFrame(id, 0, error, attempt));
  }
}
