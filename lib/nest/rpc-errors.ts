import { RpcException } from '@nestjs/microservices';
import { CloudsError } from '../common/errors.js';

/**
 * Nest sends what is no `RpcException` as "Internal server error". A CloudsError is as much meant for the caller, so it
 * becomes one, which sends itself. Done by CloudsServer: without it nothing is sent, and CloudsError may not know Nest.
 */
export function makeCloudsErrorsRpcExceptions(): void {
  if (CloudsError.prototype instanceof RpcException) return;
  Object.setPrototypeOf(CloudsError.prototype, RpcException.prototype);
  const getError = function (this: CloudsError) {
    return this;
  };
  Object.defineProperty(CloudsError.prototype, 'getError', { value: getError });
}

/** What Nest says of an error that it has logged. */
const MASKED = 'Internal server error';

const reported = new WeakSet<object>();

/** Whoever has logged an error says so, as others may not know it. */
export function noteReported(error: unknown): void {
  if (typeof error === 'object' && error !== null) reported.add(error);
}

/** What an `RpcException` has sent, and has not been logged. Nest logs all that is no such exception. */
export function isUnreported(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || reported.has(error)) return false;
  return (error as { message?: unknown }).message !== MASKED && !isPlainError(error);
}

/** Nest's filter makes objects of them; that of this package has logged them. */
function isPlainError(error: object): boolean {
  return error instanceof Error && !(error instanceof RpcException);
}
