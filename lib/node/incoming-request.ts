import { AsyncResource } from 'node:async_hooks';
import { guarded } from '../common/guarded.js';
import { type Metadata, NO_METADATA, ONE_WAY, type RequestFrame } from '../protocol/frames.js';
import { nodeIdOf } from '../protocol/ids.js';
import type { OutgoingStream } from './outgoing-stream.js';
import type { PointCount } from './points.js';

/** Where what a handler answers goes. Each of `result`, `end` and `fail` settles the request. */
export interface Responder {
  result(request: IncomingRequest, value: unknown): void;
  /** A value is on its way to `value`. */
  announce(request: IncomingRequest): void;
  value(request: IncomingRequest, value: unknown): void;
  end(request: IncomingRequest): void;
  fail(request: IncomingRequest, error: unknown): void;
}

/** Where a request comes from, and for what service. */
export interface Origin {
  /** The incarnation of the caller. */
  readonly from: string;
  readonly registration: PointCount;
  /** How long ago it was dispatched, in ms. */
  readonly ageMs: number;
}

/**
 * One request that this node runs. Exactly one of `result`, `end` and `fail` must be called in the
 * end, also for a one-way request: that gives the node's point back. What is said after that, or after
 * a cancel, goes nowhere.
 */
export class IncomingRequest {
  /** Of the call; the same in all of its attempts. */
  readonly id: string;
  /** @internal */ readonly count: PointCount;
  /** What the caller has sent. */
  readonly data: unknown;
  /** The name of the service; of an event its own, although the handler may be that of a wildcard. */
  readonly service: string;
  /** As it came, or as a deserializer of the application has read it. Calls in the handler take it over. */
  metadata: Metadata | undefined;
  /** From 1; how many nodes, with this one, the caller has tried. */
  readonly attempt: number;
  /** Whether nobody waits for an answer. */
  readonly isOneWay: boolean;
  /** When the caller stops waiting, as `Date.now()` would give it. */
  readonly deadline: number;
  /** The inbox that replies go to: the caller's present incarnation. */
  from: string;
  /** How many values of a stream were sent. */
  values = 0;
  /** @internal Their way to the caller; undefined before the first one. */
  stream: OutgoingStream | undefined;
  /** @internal Whether the handler has said its last word; values before it may still wait for room. */
  isEnded = false;
  /** Whether the handler is done with it, and all that it has said is on its way. */
  isSettled = false;
  /** @internal Whether the caller, having cancelled the request, has come back for its answer. */
  isRepeated = false;
  /** @internal Whether a value was said that went nowhere, as the request was cancelled: what follows is not whole. */
  hasDropped = false;
  /** @internal The last one that came here, while this one waited or ran. */
  lastAttempt: number;

  readonly #responder: Responder;
  #abort: AbortController | undefined;
  /** A cancel arrives in the context of the inbox; who listens to the signal is in that of the message. */
  #scope: AsyncResource | undefined;
  #cancelReason: Error | undefined;
  #onCancel: Set<() => void> | undefined;
  /** @internal When it came here, on the clock of `performance.now()`. */
  readonly arrivedAt = performance.now();
  /** When the caller stops waiting, on the same clock. */
  #endsAt: number;

  constructor(frame: RequestFrame, { from, registration, ageMs }: Origin, responder: Responder) {
    const [id, timeLeftMs, attempt, metadata, data, event] = frame;
    this.id = id;
    this.from = from;
    this.count = registration;
    this.data = data;
    this.service = event ?? registration.name;
    this.metadata = metadata === NO_METADATA ? undefined : metadata;
    this.isOneWay = attempt === ONE_WAY;
    this.attempt = this.lastAttempt = this.isOneWay ? 1 : attempt;
    this.deadline = Date.now() + timeLeftMs - ageMs;
    this.#endsAt = this.arrivedAt + timeLeftMs - ageMs;
    this.#responder = responder;
  }

  /** Id of the node that made the call. */
  get callerId(): string {
    return nodeIdOf(this.from);
  }

  /** @internal Whether this is an incarnation of the node that made the call. */
  isOf(caller: string): boolean {
    return this.from === caller || this.callerId === nodeIdOf(caller);
  }

  /** Whether nobody waits for the answer any more, or the node has had to stop. */
  get isCancelled(): boolean {
    return this.#cancelReason !== undefined;
  }

  /**
   * Whether the caller has room for another value. What is said without room is held, and stops the request
   * with `CLOUDS_OVERLOADED` when it is too much. True as well when values go nowhere.
   */
  get isWritable(): boolean {
    const { stream } = this;
    return stream === undefined || stream.hasRoom || this.isEnded || this.isCancelled;
  }

  /** @internal Whether somebody waits for the answer. */
  get isWanted(): boolean {
    return !this.isCancelled || this.isRepeated;
  }

  /**
   * @internal What the caller still gives the request, in ms. Without end once it has begun to stream, as streams may
   * go on after the deadline, and when nobody waits for an end: after it, and for one-way requests.
   */
  get timeLeftMs(): number {
    const isWaitedFor = this.values === 0 && !this.isOneWay && !this.isSettled;
    return isWaitedFor ? this.#endsAt - performance.now() : Infinity;
  }

  /** Fires when nobody waits for the reply any more, or when the node has to stop. */
  get signal(): AbortSignal {
    if (this.#abort) return this.#abort.signal;
    this.#abort = new AbortController();
    if (this.#cancelReason) this.#abort.abort(this.#cancelReason);
    else this.#scope = new AsyncResource('CloudsRequestSignal');
    return this.#abort.signal;
  }

  /** Answers with one value. */
  result(value: unknown): void {
    this.#responder.result(this, value);
  }

  /**
   * @internal One value of a stream is being made, and `value` will be called with it: until then the request is not
   * writable, and what waits to be made counts as held.
   */
  announce(): void {
    this.#responder.announce(this);
  }

  /** Sends one value of a stream; `end` or `fail` must follow. */
  value(value: unknown): void {
    this.#responder.value(this, value);
  }

  /** Resolves when `isWritable` is true: when the caller has room, and at the latest when it has left. */
  async whenWritable(): Promise<void> {
    while (!this.isWritable) await this.stream!.whenRoom();
  }

  /** Ends a stream, or a request that has no result. */
  end(): void {
    this.#responder.end(this);
  }

  /** Fails the call. An Error arrives as an Error, without its stack; anything else as it is. */
  fail(error: unknown): void {
    this.#responder.fail(this, error);
  }

  /** Calls `callback` once, when the request is cancelled; at once if it is. Returns a function that takes it back. */
  onCancel(callback: () => void): () => void {
    if (this.isCancelled) callback();
    else (this.#onCancel ??= new Set()).add(callback);
    return () => this.#onCancel?.delete(callback);
  }

  /** @internal The caller has sent the request again: it has found no other node, or has a new inbox. */
  repeat(from: string, attempt: number, timeLeftMs: number): void {
    this.from = from;
    this.#endsAt = performance.now() + timeLeftMs;
    this.lastAttempt = attempt;
    this.isRepeated = this.isCancelled;
  }

  /** @internal */
  cancel(reason: Error): void {
    this.isRepeated = false;
    if (this.isCancelled) return;
    this.#cancelReason = reason;
    this.#scope?.runInAsyncScope(() => this.#abort!.abort(reason));
    const callbacks = this.#onCancel;
    this.#onCancel = undefined;
    for (const callback of callbacks ?? []) guarded(callback);
    this.stream?.wake();
  }
}
