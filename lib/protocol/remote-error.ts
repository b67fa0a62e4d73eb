import {
  type CloudsError,
  cloudsError,
  CloudsErrorCode,
  isCloudsErrorCode,
} from '../common/errors.js';
import { messages, textOf } from '../common/messages.js';

/** Names that must not come along from another process although no Error has them: they change what it does. */
const RESERVED = new Set(['cause', 'prototype', 'then', 'toJSON']);

/** An error that a handler threw on another node, with the message and properties that it had there. */
export class RemoteError extends Error {
  constructor(message: string, name: string) {
    super(message);
    this.name = name;
  }
}

/**
 * Rebuilds what `errorFrame` wrote of an Error; `node` is the id of the node that it comes from. A CloudsError may have
 * come to that from another one, which has raised it.
 */
export function reviveError(value: unknown, node: string): Error {
  if (typeof value !== 'object' || value === null) return new RemoteError(textOf(value), 'Error');
  const { name, message, ...own } = value as Record<string, unknown>;
  if (isCloudsErrorCode(own.code))
    return reviveRefusal(value, typeof own.node === 'string' ? own.node : node);
  const error = new RemoteError(textOf(message), typeof name === 'string' ? name : 'Error');
  takeOver(error, own);
  return error;
}

/** Gives an error the properties that it had in another process, but for those that it has got here. */
export function takeOver(error: Error, properties: object): void {
  for (const [key, property] of Object.entries(properties)) {
    if (!(key in error) && !RESERVED.has(key)) Object.assign(error, { [key]: property as unknown });
  }
}

/** Rebuilds what `refusalFrame` wrote; `node` is the id of the node that refused. */
export function reviveRefusal(value: unknown, node: string): CloudsError {
  const { code, message, details } = (value ?? {}) as Record<string, unknown>;
  const known = isCloudsErrorCode(code) ? code : CloudsErrorCode.UNSERIALIZABLE;
  const text = typeof message === 'string' ? message : messages.malformedRequest();
  const facts = typeof details === 'object' && details !== null ? { ...details } : {};
  return cloudsError(known, text, { node, details: facts });
}
