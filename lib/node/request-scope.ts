import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingRequest } from './incoming-request.js';

/** The request that is being handled, wherever its handler goes: through promises, timers and callbacks. */
const scope = new AsyncLocalStorage<IncomingRequest | undefined>();

let isNeeded = false;

/**
 * From now on every request that is handled has a scope. A process in which nobody can make calls goes without: up to
 * Node 22 every promise takes longer once there is one.
 */
export function openScopes(): void {
  isNeeded = true;
}

/** The request in whose handler this is asked; undefined outside of any. */
export function requestInScope(): IncomingRequest | undefined {
  return scope.getStore();
}

/** Calls `act` as a part of what handles `request`. */
export function withinRequest(request: IncomingRequest, act: (request: IncomingRequest) => void) {
  if (isNeeded) scope.run(request, act, request);
  else act(request);
}

/**
 * What the engine does for everybody: a connection or a timer that is made while one request is handled must not
 * take what happens there later for a part of it.
 */
export function outsideOfRequests<T>(act: () => T): T {
  return scope.getStore() === undefined ? act() : scope.run(undefined, act);
}
