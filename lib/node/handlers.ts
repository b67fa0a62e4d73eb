import { AsyncResource } from 'node:async_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { IncomingRequest } from './incoming-request.js';
import type { RequestHandler } from './registry.js';

const VALUES_PER_TURN = 64;

/** Where the values of an iterable go. */
export interface ValueSink extends Room {
  /** Fires when they are not wanted any more. */
  readonly signal: AbortSignal;
  value(value: unknown): void;
}

/** Whether a caller has room for another value. */
export type Room = Pick<IncomingRequest, 'isWritable' | 'whenWritable'>;

/**
 * Serves a request by what it returns: a value, a promise of one, or an async iterable, whose values make a stream. What it
 * throws fails the call.
 */
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
  if (!isAsyncIterable(value)) return request.result(value);
  sendValues(request, value).then(
    () => request.end(),
    (error: unknown) => request.fail(error),
  );
}

/** Gives values to `value` as there is room for them at a caller. */
export function pacedBy(
  room: Room,
  signal: AbortSignal,
  value: (value: unknown) => void,
): ValueSink {
  return {
    signal,
    value,
    get isWritable() {
      return room.isWritable;
    },
    whenWritable: () => room.whenWritable(),
  };
}

/**
 * Sends the values of an iterable, which is asked for one when the caller has room for it, and told to `return`
 * when the signal fires, as that of a cancelled request does. Rejects with what it throws; or with the reason of the cancel, as whoever comes
 * back for the stream must not take it for whole.
 */
export async function sendValues(sink: ValueSink, values: AsyncIterable<unknown>): Promise<void> {
  const { signal } = sink;
  const iterator: AsyncIterator<unknown, unknown> = values[Symbol.asyncIterator]();
  const leaving = leavingOnAbort(iterator, signal);
  try {
    for (let sent = 1; !signal.aborted; sent++) {
      const { done, value } = await iterator.next();
      if (signal.aborted) break;
      if (done) return;
      sink.value(value);
      // A generator that never waits would not let the process read its cancel, nor anything else.
      if (sent % VALUES_PER_TURN === 0) await nextTurn();
      if (!sink.isWritable) await sink.whenWritable();
    }
  } finally {
    leaving.stop();
  }
  await leaving.done;
  throw signal.reason;
}

/**
 * At once, not after the next value: there may never be one. `done` resolves when the iterable has cleaned up; after
 * `stop` the signal does nothing any more.
 */
function leavingOnAbort(iterator: AsyncIterator<unknown>, signal: AbortSignal) {
  let onDone!: () => void;
  const done = new Promise<void>((resolve) => (onDone = resolve));
  // A cancel arrives in the context of the inbox; what cleans up belongs in the one of the request.
  const leave = AsyncResource.bind(() => void leaveQuietly(iterator).then(onDone));
  if (signal.aborted) leave();
  else signal.addEventListener('abort', leave, { once: true });
  return { done, stop: () => signal.removeEventListener('abort', leave) };
}

/** What it throws then, nobody waits for. */
async function leaveQuietly(iterator: AsyncIterator<unknown>): Promise<void> {
  try {
    await iterator.return?.();
  } catch {
    return;
  }
}

export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && typeof value.then === 'function';
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return isObject(value) && Symbol.asyncIterator in value;
}

/** Not `instanceof`: a promise may come from another realm, as in a test runner. */
function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === 'object' && value !== null;
}
