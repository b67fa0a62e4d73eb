import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import { concatMap, Observable, of } from 'rxjs';
import { isAsyncIterable, pacedBy, type Room, sendValues } from '../node/handlers.js';
import { CloudsContext } from './clouds.context.js';

/**
 * Makes an Observable of the async generator that a handler returns, so that exception filters see what it throws, and
 * interceptors outside of this one its values. It is asked for a value when the caller has room for it, as without the interceptor.
 * Bind it by `@UseInterceptors` where filters matter; a handler without a generator is slower with it, as with any interceptor.
 */
@Injectable()
export class CloudsStreamInterceptor implements NestInterceptor {
  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
    const handled$: Observable<unknown> = next.handle();
    const context: unknown = execution.getType() === 'rpc' && execution.switchToRpc().getContext();
    if (!(context instanceof CloudsContext)) return handled$;
    const valuesIn = (value: unknown) =>
      isAsyncIterable(value) ? valuesOf(value, context.room) : of(value);
    return handled$.pipe(concatMap(valuesIn));
  }
}

/** Whoever unsubscribes has the iterable return. */
function valuesOf(values: AsyncIterable<unknown>, room: Room): Observable<unknown> {
  return new Observable((subscriber) => {
    const leaving = new AbortController();
    const sink = pacedBy(room, leaving.signal, (value) => subscriber.next(value));
    sendValues(sink, values).then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    );
    return () => leaving.abort();
  });
}
