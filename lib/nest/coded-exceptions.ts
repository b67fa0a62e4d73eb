import { type ArgumentsHost, IntrinsicException, Logger } from '@nestjs/common';
import { BaseRpcExceptionFilter, RpcException } from '@nestjs/microservices';
import { throwError } from 'rxjs';
import { takeOver } from '../protocol/remote-error.js';
import { CloudsContext } from './clouds.context.js';

/** What an `RpcException` with a `code` sends. */
interface CodedObject {
  readonly code: string | number;
  readonly [field: string]: unknown;
}

/** Whether this is what an `RpcException` with a `code` has sent, which is an object and no Error. */
export function isCodedObject(error: unknown): error is CodedObject {
  return isPlainObject(error) && isCode(error.code);
}

/**
 * What an `RpcException` with a `code` has sent, as such an exception again: it has all that was sent as properties, and
 * whoever does not catch it passes it on.
 */
export class RemoteRpcException extends RpcException {
  readonly #sent: CodedObject;

  constructor(sent: CodedObject) {
    super(sent);
    this.#sent = sent;
    // Nest keeps it there, where what was sent may have something else, and JSON would have it twice.
    Reflect.deleteProperty(this, 'error');
    const { message, name } = sent;
    if (typeof message !== 'string') this.message = String(sent.code);
    if (typeof name === 'string') this.name = name;
    takeOver(this, sent);
  }

  override getError(): CodedObject {
    return this.#sent;
  }
}

/** What a caller gets as the error that arrived. */
export function received(error: unknown): unknown {
  return isCodedObject(error) ? new RemoteRpcException(error) : error;
}

/** With the node that has raised it; if it came from another one, that stays. */
export function withNode(error: unknown, node: string): unknown {
  // A filter has let the exception itself through, or `new RpcException(error)` is around one that was received.
  const said: unknown = error instanceof RpcException ? error.getError() : undefined;
  const sent: unknown = codedObjectOf(error) ?? (isCodedObject(said) ? said : error);
  return isCodedObject(sent) && sent.node === undefined ? { ...sent, node } : sent;
}

/** What an `RpcException` sends that has a `code` as a property of its own, as a subclass may; else undefined. */
export function codedObjectOf(exception: unknown): CodedObject | undefined {
  if (!(exception instanceof RpcException)) return undefined;
  const said: unknown = exception.getError();
  const fields = codedFieldsOf(exception);
  if (fields === undefined) return undefined;
  if (isPlainObject(said)) return { ...fields, ...said };
  return typeof said === 'string' ? { status: 'error', message: said, ...fields } : undefined;
}

function codedFieldsOf(exception: object): CodedObject | undefined {
  const { code, details, retryable } = exception as Record<string, unknown>;
  if (!isCode(code)) return undefined;
  return {
    code,
    ...(details !== undefined && { details }),
    ...(retryable !== undefined && { retryable }),
  };
}

/** Those of gRPC and HTTP are numbers. */
function isCode(code: unknown): code is CodedObject['code'] {
  return typeof code === 'string' || typeof code === 'number';
}

const log = new Logger('CloudsServer');

let isTaught = false;

/**
 * Nest sends only what `getError()` gives, and what is thrown is seen by its filters alone: so its own one is told of
 * codes beside that, and of events that fail with what it does not report. Nothing changes for what other transports bring.
 */
export function teachFilterOfNest(): void {
  if (isTaught) return;
  isTaught = true;
  const { prototype } = BaseRpcExceptionFilter;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with the filter it was called on
  const asNest = prototype.catch;
  prototype.catch = function (exception: unknown, host: ArgumentsHost | undefined) {
    const coded = codedObjectOf(exception);
    const context = contextOf(host);
    if (coded && context) return throwError(() => coded);
    // Nest takes it for an answer, but nobody waits for that of an event.
    if (exception instanceof IntrinsicException && context?.isEvent()) log.error(exception);
    return asNest.call(this, exception as never, host as never);
  };
}

/** Of a message of this transport. */
function contextOf(host: ArgumentsHost | undefined): CloudsContext | undefined {
  if (host?.getType() !== 'rpc') return undefined;
  const context: unknown = host.switchToRpc().getContext();
  return context instanceof CloudsContext ? context : undefined;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return !(value instanceof Error) && !Array.isArray(value);
}
