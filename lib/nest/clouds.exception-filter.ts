import {
  type ArgumentsHost,
  Catch,
  type HttpServer,
  Inject,
  Logger,
  Optional,
} from '@nestjs/common';
import { BaseExceptionFilter, HttpAdapterHost } from '@nestjs/core';
import { BaseRpcExceptionFilter, RpcException } from '@nestjs/microservices';
import { type Observable, tap, throwError } from 'rxjs';
import { CloudsContext } from './clouds.context.js';
import { isCodedObject } from './coded-exceptions.js';
import { noteReported } from './rpc-errors.js';

/** What Express and Fastify have in common. */
interface AnyResponse {
  readonly headersSent?: boolean;
  readonly sent?: boolean;
  status(code: number): { send(body: unknown): void };
  end?(): void;
}

/** As much of an HTTP adapter as Nest's own filter needs, for a filter that nobody has given the real one. */
const ANY_RESPONSE: Pick<HttpServer, 'isHeadersSent' | 'reply' | 'end'> = {
  isHeadersSent: ({ headersSent, sent }: AnyResponse) => (headersSent ?? sent) === true,
  reply: (response: AnyResponse, body: unknown, code = 500) => response.status(code).send(body),
  end: (response: AnyResponse) => response.end?.(),
};

/**
 * Sends every Error of a handler with its name, message and own properties, without its stack, where Nest sends "Internal
 * server error". Bind it by `@UseFilters`, `useGlobalFilters` of a microservice, or `APP_FILTER`. What is no message is left
 * to Nest.
 */
@Catch()
export class CloudsExceptionFilter extends BaseRpcExceptionFilter {
  private readonly log = new Logger(CloudsExceptionFilter.name);
  private readonly http: HttpAdapterHost | undefined;

  constructor(@Optional() @Inject(HttpAdapterHost) http?: HttpAdapterHost) {
    super();
    this.http = http;
  }

  override catch(exception: unknown, host: ArgumentsHost): Observable<unknown> {
    const type = host.getType();
    if (type === 'http') return this.leaveToNest(exception, host);
    if (type !== 'rpc') throw exception;
    const context: unknown = host.switchToRpc().getContext();
    const isSent = exception instanceof Error || isCodedObject(exception);
    // Nobody else would hear of it.
    if (isSent && context instanceof CloudsContext && context.isEvent()) this.log.error(exception);
    if (exception instanceof RpcException || !isSent) return this.asNest(exception, host);
    return reported(throwError(() => exception));
  }

  private asNest(exception: unknown, host: ArgumentsHost): Observable<unknown> {
    return reported(super.catch(exception, host));
  }

  /** Nest takes what was answered from the response; what is returned is of no interest. */
  private leaveToNest(exception: unknown, host: ArgumentsHost): never {
    const adapter = this.http?.httpAdapter ?? (ANY_RESPONSE as HttpServer);
    return new BaseExceptionFilter(adapter).catch(exception, host) as never;
  }
}

/** What is sent is another object than what was logged. */
function reported(sent$: Observable<unknown>): Observable<unknown> {
  return sent$.pipe(tap({ error: noteReported }));
}
