import { CloudsCancelledError, type CloudsError, CloudsExpiredError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import type { Metadata } from '../protocol/frames.js';
import type { CallPlan, ReplySink } from './call.js';
import type { CallOptions } from './call-options.js';
import type { IncomingRequest } from './incoming-request.js';
import { outsideOfRequests, withinRequest } from './request-scope.js';

/**
 * A call that is made while a request is handled. It takes over the request's metadata; and unless it is one-way or
 * detached, the time that the request has left, and its cancel. What comes of it is told within the request again.
 */
export class NestedCall implements ReplySink {
  #isBound = false;
  #unbind: (() => void) | undefined;

  constructor(
    private readonly request: IncomingRequest,
    private readonly service: string,
    private readonly sink: ReplySink,
  ) {}

  headers(own: Metadata | undefined): Metadata | undefined {
    return inheritedHeaders(this.request, own);
  }

  /** @throws CloudsCancelledError, CloudsExpiredError if nobody waits for the request any more. */
  plan(own: CallPlan, { detached }: CallOptions): CallPlan {
    this.#isBound = !own.isOneWay && detached !== true;
    if (!this.#isBound) return own;
    if (!this.request.isWanted) throw this.#cancelled();
    const leftMs = Math.floor(this.request.timeLeftMs);
    if (leftMs >= own.deadlineMs) return own;
    if (leftMs > 0) return { ...own, deadlineMs: leftMs };
    throw new CloudsExpiredError(messages.noTimeLeft(this.service, this.request.service));
  }

  /** `send` returns how the call is given up; `abort` ends it when the request is cancelled before. */
  start(send: () => () => void, abort: (reason: CloudsError) => void): () => void {
    // A request that was cancelled and is wanted again is not cancelled another time.
    if (this.#isBound && !this.request.isCancelled) {
      this.#unbind = this.request.onCancel(() => abort(this.#cancelled()));
    }
    const giveUp = outsideOfRequests(send);
    return () => {
      this.#release();
      outsideOfRequests(giveUp);
    };
  }

  get isPulled(): boolean | undefined {
    return this.sink.isPulled;
  }

  value(value: unknown, isLast: boolean): void {
    if (isLast) this.#release();
    withinRequest(this.request, () => this.sink.value(value, isLast));
  }

  end(): void {
    this.#release();
    withinRequest(this.request, () => this.sink.end());
  }

  error(error: unknown): void {
    this.#release();
    withinRequest(this.request, () => this.sink.error(error));
  }

  #release(): void {
    this.#unbind?.();
    this.#unbind = undefined;
  }

  #cancelled(): CloudsCancelledError {
    return new CloudsCancelledError(messages.cancelledWith(this.service, this.request.service));
  }
}

/** What a call says of a header goes before what the request says that it is made for. */
export function inheritedHeaders(
  { metadata }: IncomingRequest,
  own: Metadata | undefined,
): Metadata | undefined {
  return metadata && own ? { ...metadata, ...own } : (own ?? metadata);
}
