import { IntrinsicException } from '@nestjs/common';
import { BaseRpcExceptionFilter, type MessageHandler, RpcException } from '@nestjs/microservices';
import { isObservable, lastValueFrom, type Observable } from 'rxjs';
import { isAsyncIterable, sendValues } from '../node/handlers.js';
import type { IncomingRequest } from '../node/incoming-request.js';
import type { CloudsContext } from './clouds.context.js';
import { codedObjectOf, withNode } from './coded-exceptions.js';
import { isUnreported, noteReported } from './rpc-errors.js';
import { type StreamPorts, StreamReplies } from './stream-replies.js';

/** What the running of handlers needs of the server. */
export interface HandlerPorts {
  readonly nodeId: string;
  /** Whether Nest reports all that handlers of events throw: before 12.0.3 not what is an RpcException. */
  readonly reportsEvents: boolean;
  readonly log: { error(error: unknown): void };
  /** All is done that the handler does for this message. */
  onOver(context: CloudsContext): void;
}

/** Runs messages: one handler, or several of one event. */
export interface MessageRunner {
  /** Never rejects. */
  run(request: IncomingRequest, context: CloudsContext): Promise<unknown>;
}

/** One handler of Nest. It answers a request with what it returns or throws. */
export class PatternHandler implements MessageRunner {
  readonly #isReported: boolean;
  readonly #streamPorts: StreamPorts;

  constructor(
    private readonly handler: MessageHandler,
    private readonly ports: HandlerPorts,
  ) {
    this.#isReported = handler.isEventHandler === true && ports.reportsEvents;
    this.#streamPorts = {
      log: ports.log,
      shown: (request, error) => this.#shown(request, error),
      fail: (request, error) => this.#fail(request, error),
      onOver: (context) => ports.onOver(context),
    };
  }

  /** A plain value takes no way through RxJS: that is half of what a call costs in Nest. */
  async run(request: IncomingRequest, context: CloudsContext): Promise<void> {
    try {
      const result: unknown = await this.handler(request.data, context);
      if (isObservable(result)) return this.#stream(result, request, context);
      if (isAsyncIterable(result)) await this.#iterate(result, request);
      else if (result === undefined) request.end();
      else request.result(result);
    } catch (error) {
      this.#fail(request, error);
    }
    this.ports.onOver(context);
  }

  /** To be called with what nobody is told of: an error that Nest has not reported is reported. */
  report(error: unknown): void {
    if (!this.#isReported && isUnreported(error)) this.ports.log.error(error);
  }

  #stream(values$: Observable<unknown>, request: IncomingRequest, context: CloudsContext): void {
    new StreamReplies(request, context, this.#streamPorts).follow(values$);
  }

  /** Never rejects. */
  async #iterate(values: AsyncIterable<unknown>, request: IncomingRequest): Promise<void> {
    try {
      await sendValues(request, values);
      request.end();
    } catch (error) {
      if (request.isCancelled) return request.fail(error);
      this.#fail(request, await this.#shown(request, error));
    }
  }

  /** What Nest makes of an error that no filter of the application has seen: its own ones know only Observables. */
  async #shown(request: IncomingRequest, error: unknown): Promise<unknown> {
    const shown = codedObjectOf(error) ?? (await asNest(error));
    // All others were logged when they were made into what is shown.
    const isUnlogged = error instanceof RpcException || error instanceof IntrinsicException;
    if ((request.isOneWay || this.#isReported) && isUnlogged) {
      this.ports.log.error(error);
      noteReported(shown);
    }
    return shown;
  }

  /** Nobody waits for an event. */
  #fail(request: IncomingRequest, error: unknown): void {
    if (!request.isOneWay) return request.fail(withNode(error, this.ports.nodeId));
    this.report(error);
    request.end();
  }
}

function asNest(error: unknown): Promise<unknown> {
  const shown$ = new BaseRpcExceptionFilter().catch(error, undefined as never);
  return lastValueFrom(shown$).catch((shown: unknown) => shown);
}
