import { CloudsClosedError, type CloudsError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import type { ResolvedOptions } from '../common/options.js';
import { checkServiceName } from '../protocol/names.js';
import { checkSize, encodeData } from '../protocol/payload.js';
import { release, type Text } from '../protocol/text.js';
import { Call, type CallPath, type CallPlan, type ReplySink } from './call.js';
import { callBody, type CallOptions, callPlan, NO_OPTIONS } from './call-options.js';
import type { Caller } from './caller.js';
import { inheritedHeaders, NestedCall } from './nested-call.js';
import type { Publisher } from './publisher.js';
import type { OpenedStream } from './value-stream.js';
import { openScopes, outsideOfRequests, requestInScope } from './request-scope.js';

/** What calls need of the connection. */
interface Connection {
  readonly isIdle: boolean;
  readonly isClosed: boolean;
  connect(): Promise<void>;
}

interface Started {
  readonly call: Call;
  readonly cancel: () => void;
}

const nothing = () => undefined;

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
    const started = this.#start(service, data, options, isOneWay, sink);
    return started ? started.cancel : nothing;
  }

  /** The same for a sink that says itself what it has consumed; undefined if it was told what is wrong. */
  stream(
    service: string,
    data: unknown,
    options: CallOptions,
    sink: ReplySink,
  ): OpenedStream | undefined {
    const started = this.#start(service, data, options, false, sink);
    if (started === undefined) return undefined;
    const { call, cancel } = started;
    return { consumed: () => this.caller.consumed(call), cancel };
  }

  #start(
    service: string,
    data: unknown,
    options: CallOptions,
    isOneWay: boolean,
    sink: ReplySink,
  ): Started | undefined {
    const request = requestInScope();
    const nested = request && new NestedCall(request, service, sink);
    let call: Call;
    try {
      this.#check(service);
      const own = this.#planOf(isOneWay, options);
      const plan = nested ? nested.plan(own, options) : own;
      const headers = nested ? nested.headers(options.headers) : options.headers;
      const body = callBody(data, headers, this.options.maxPayloadBytes);
      const path = this.pathOf(service);
      call = new Call({ service, body, plan }, path, nested ?? sink, performance.now());
    } catch (error) {
      sink.error(error);
      return undefined;
    }
    if (nested === undefined) return { call, cancel: this.#send(call) };
    const abort = (reason: CloudsError) => this.caller.abort(call, reason);
    return { call, cancel: nested.start(() => this.#send(call), abort) };
  }

  /** Returns a function that cancels the call. */
  #send(call: Call): () => void {
    openScopes();
    this.#connectIfIdle();
    this.caller.start(call);
    return () => this.caller.cancel(call);
  }

  publish(name: string, data: unknown, options: CallOptions, sink: ReplySink): void {
    const { maxPayloadBytes } = this.options;
    const request = requestInScope();
    const headers = request ? inheritedHeaders(request, options.headers) : options.headers;
    try {
      this.#check(name);
      const plan = this.#planOf(true, options);
      const dataJson = sharedText(encodeData(data, maxPayloadBytes));
      if (headers) checkSize(`${JSON.stringify(headers)},${dataJson}`, maxPayloadBytes);
      openScopes();
      outsideOfRequests(() => {
        this.#connectIfIdle();
        const startedAt = performance.now();
        this.publisher.publish({ name, dataJson, headers, plan, startedAt }, sink);
      });
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

/** An event has several calls, and each releases the memory of its body when it is over. */
function sharedText(text: Text): string {
  const shared = text.toString();
  release(text);
  return shared;
}
