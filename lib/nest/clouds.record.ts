import type { WhenFull } from '../common/options.js';
import type { CallOptions } from '../node/call-options.js';
import type { Metadata } from '../protocol/frames.js';

/** Data together with how it is to be sent. Make one with `CloudsRecordBuilder`. */
export class CloudsRecord<TData = unknown> {
  constructor(
    readonly data: TData,
    readonly options: Readonly<CallOptions> = {},
  ) {}
}

/** `clouds.send('sum', new CloudsRecordBuilder([1, 2]).setAttempts(3).build())` */
export class CloudsRecordBuilder<TData = unknown> {
  readonly #options: CallOptions = {};

  constructor(private data?: TData) {}

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

  /** Strings that the handler reads with `context.getHeaders()`. */
  setHeaders(headers: Metadata): this {
    this.#options.headers = headers;
    return this;
  }

  /** Whether an event goes to every node that takes it, instead of to one of each group. Only for `emit`. */
  setBroadcast(isBroadcast = true): this {
    this.#options.broadcast = isBroadcast;
    return this;
  }

  /** What happens when all nodes are at their capacity: see `CallOptions.whenFull`. Default: `service.whenFull`. */
  setWhenFull(whenFull: WhenFull): this {
    this.#options.whenFull = whenFull;
    return this;
  }

  /** Made in a handler, the call may outlive the request that is handled: see `CallOptions.detached`. */
  setDetached(detached = true): this {
    this.#options.detached = detached;
    return this;
  }

  build(): CloudsRecord<TData> {
    return new CloudsRecord(this.data as TData, { ...this.#options });
  }
}
