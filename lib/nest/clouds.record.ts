import type { WhenFull } from '../common/options.js';
import type { CallOptions } from '../node/call-options.js';
import type { Metadata } from '../protocol/frames.js';

/**
 * Data together with how it is to be sent. Make one with `CloudsRecordBuilder`. Options that are not allowed fail the call
 * that it is given to, with `CLOUDS_BAD_OPTIONS`.
 */
export class CloudsRecord<TData = unknown> {
  constructor(
    /** What the handler gets as its payload. */
    readonly data: TData,
    /** How the call is made; what is left out comes from the options of the node. */
    readonly options: Readonly<CallOptions> = {},
  ) {}
}

/** `clouds.send('sum', new CloudsRecordBuilder([1, 2]).setAttempts(3).build())` */
export class CloudsRecordBuilder<TData = unknown> {
  readonly #options: CallOptions = {};

  constructor(private data?: TData) {}

  /** What the handler gets as its payload. Without any the call fails, as with every client of Nest. */
  setData(data: TData): this {
    this.data = data;
    return this;
  }

  /** How many nodes are tried, one after the other; -1 for no limit. Default: `service.attempts`. */
  setAttempts(attempts: number): this {
    this.#options.attempts = attempts;
    return this;
  }

  /** How long one attempt waits for its reply, in ms. Default: `service.callbackTimeout`. */
  setTimeout(ms: number): this {
    this.#options.timeout = ms;
    return this;
  }

  /** How long the call may take with all its attempts, in ms. Default: timeout times attempts. */
  setDeadline(ms: number): this {
    this.#options.deadline = ms;
    return this;
  }

  /** Strings that the handler reads with `context.getHeaders()`. Default: none, or those of the request that is handled. */
  setHeaders(headers: Metadata): this {
    this.#options.headers = headers;
    return this;
  }

  /** Whether an event goes to every node that takes it, instead of to one of each group. Only for `emit`. Default: it does not. */
  setBroadcast(isBroadcast = true): this {
    this.#options.broadcast = isBroadcast;
    return this;
  }

  /** What happens when all nodes are at their capacity: see `CallOptions.whenFull`. Default: `service.whenFull`. */
  setWhenFull(whenFull: WhenFull): this {
    this.#options.whenFull = whenFull;
    return this;
  }

  /** Made in a handler, the call may outlive the request that is handled: see `CallOptions.detached`. Default: it may not. */
  setDetached(detached = true): this {
    this.#options.detached = detached;
    return this;
  }

  /** The record, which later changes of the builder do not change. */
  build(): CloudsRecord<TData> {
    return new CloudsRecord(this.data as TData, { ...this.#options });
  }
}
