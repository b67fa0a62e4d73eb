import { CloudsClosedError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import type { ResolvedOptions } from '../common/options.js';
import { checkServiceName } from '../protocol/names.js';
import { encodeData } from '../protocol/payload.js';
import { Call, type CallPath, type CallPlan, type ReplySink } from './call.js';
import { callBody, type CallOptions, callPlan, NO_OPTIONS } from './call-options.js';
import type { Caller } from './caller.js';
import type { Publisher } from './publisher.js';

/** What calls need of the connection. */
interface Connection {
  readonly isIdle: boolean;
  readonly isClosed: boolean;
  connect(): Promise<void>;
}

/** What a node sends: checks it, encodes it, and starts it. */
export class Outgoing {
  readonly #requestPlan: CallPlan;
  readonly #eventPlan: CallPlan;

  constructor(
    private readonly options: ResolvedOptions,
    private readonly caller: Caller,
    private readonly publisher: Publisher,
    private readonly connection: Connection,
    private readonly pathOf: (service: string) => CallPath,
  ) {
    this.#requestPlan = callPlan(false, NO_OPTIONS, options);
    this.#eventPlan = callPlan(true, NO_OPTIONS, options);
  }

  /** Returns a function that cancels the call. What is wrong with it goes to the sink. */
  request(
    service: string,
    data: unknown,
    options: CallOptions,
    isOneWay: boolean,
    sink: ReplySink,
  ): () => void {
    let call: Call;
    try {
      this.#check(service);
      const plan = this.#planOf(isOneWay, options);
      const body = callBody(data, options.headers, this.options.maxPayloadBytes);
      call = new Call({ service, body, plan }, this.pathOf(service), sink, performance.now());
    } catch (error) {
      sink.error(error);
      return () => undefined;
    }
    this.#connectIfIdle();
    this.caller.start(call);
    return () => this.caller.cancel(call);
  }

  publish(name: string, data: unknown, options: CallOptions, sink: ReplySink): void {
    const { maxPayloadBytes } = this.options;
    const { headers } = options;
    try {
      this.#check(name);
      const plan = this.#planOf(true, options);
      if (headers) callBody(data, headers, maxPayloadBytes);
      const dataJson = encodeData(data, maxPayloadBytes);
      this.#connectIfIdle();
      this.publisher.publish({ name, dataJson, headers, plan }, sink);
    } catch (error) {
      sink.error(error);
    }
  }

  #check(service: string): void {
    if (this.connection.isClosed) throw new CloudsClosedError(messages.closed());
    checkServiceName(service);
  }

  /** A failed connect ends the calls that wait for it, so its rejection has been told. */
  #connectIfIdle(): void {
    if (this.connection.isIdle) this.connection.connect().catch(() => undefined);
  }

  #planOf(isOneWay: boolean, options: CallOptions): CallPlan {
    if (options !== NO_OPTIONS) return callPlan(isOneWay, options, this.options);
    return isOneWay ? this.#eventPlan : this.#requestPlan;
  }
}
