import { setImmediate as nextTurn } from 'node:timers/promises';
import type { IncomingRequest } from './incoming-request.js';
import type { RequestHandler } from './registry.js';

const VALUES_PER_TURN = 64;

/** Serves a request by what it returns or throws. */
export type ServiceHandler = (data: never, request: IncomingRequest) => unknown;

/** Makes a handler that settles its request of a function that returns the reply. */
export function toRequestHandler(handler: ServiceHandler): RequestHandler {
  return (request) => {
    let returned: unknown;
    try {
      returned = handler(request.data as never, request);
    } catch (error) {
      return request.fail(error);
    }
    if (isPromiseLike(returned))
      returned.then(
        (value) => answer(request, value),
        (error: unknown) => request.fail(error),
      );
    else answer(request, returned);
  };
}

function answer(request: IncomingRequest, value: unknown): void {
  if (isAsyncIterable(value)) void stream(request, value);
  else request.result(value);
}

async function stream(request: IncomingRequest, values: AsyncIterable<unknown>): Promise<void> {
  let sent = 0;
  try {
    for await (const value of values) {
      // Not an end: whoever comes back for the stream must not take it for whole.
      if (request.isCancelled) throw request.signal.reason;
      request.value(value);
      // A generator that never waits would not let the process read its cancel, nor anything else.
      if (++sent % VALUES_PER_TURN === 0) await nextTurn();
    }
    request.end();
  } catch (error) {
    request.fail(error);
  }
}

export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && typeof value.then === 'function';
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return isObject(value) && Symbol.asyncIterator in value;
}

/** Not `instanceof`: a promise may come from another realm, as in a test runner. */
function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === 'object' && value !== null;
}
