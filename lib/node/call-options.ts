import { MINUTE } from '../common/durations.js';
import { CloudsBadOptionsError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import { type ResolvedOptions, UNLIMITED_ATTEMPTS, type WhenFull } from '../common/options.js';
import { duration, flag, object } from '../common/checks.js';
import { parseAttempts, parseWhenFull } from '../common/parse-options.js';
import type { Metadata } from '../protocol/frames.js';
import { requestBody } from '../protocol/encode.js';
import { checkSize, encodeData } from '../protocol/payload.js';
import type { Text } from '../protocol/text.js';
import type { CallPlan } from './call.js';

/** A call without a limit of attempts still ends: after this, or after its timeout if that is longer. */
const UNLIMITED_DEADLINE_MS = 10 * MINUTE;

/** How one call is made. What is left out comes from the options of the node. */
export interface CallOptions {
  /** How long one attempt waits for its reply, in ms. Default: `service.callbackTimeout`. */
  timeout?: number;
  /** How many nodes are tried, one after the other; -1 for no limit. Default: `service.attempts`. */
  attempts?: number;
  /**
   * How long the call may take with all its attempts, in ms. Default: `timeout` times `attempts`; without
   * a limit of attempts 10 minutes, or `timeout` if that is longer; a stream goes on for as long as no
   * `timeout` passes between two values.
   */
  deadline?: number;
  /** Strings that travel with the request beside its data. */
  headers?: Metadata;
  /** Whether an event goes to every node that takes it, instead of to one of each group. Default: false. */
  broadcast?: boolean;
  /**
   * Whether a call that is made in a handler may outlive the request that is handled: it is neither cut to the time
   * that this has left, nor cancelled with it. Default false.
   */
  detached?: boolean;
  /**
   * What happens when all nodes of the service are at their capacity: `fail`, or `wait` for room, until the deadline of
   * the call. Waiting is no attempt. Default: `service.whenFull`.
   */
  whenFull?: WhenFull;
}

const CALL_KEYS: readonly (keyof CallOptions)[] = [
  'timeout',
  'attempts',
  'deadline',
  'headers',
  'broadcast',
  'detached',
  'whenFull',
];

/** For whoever has nothing to say: what follows from it is worked out once. */
export const NO_OPTIONS: CallOptions = Object.freeze({});

/** How calls with these options go, checked. @throws CloudsBadOptionsError */
export function callPlan(
  isOneWay: boolean,
  options: CallOptions,
  defaults: ResolvedOptions,
): CallPlan {
  checkCallOptions(options);
  const timeoutMs = options.timeout ?? defaults.timeoutMs;
  const attempts = options.attempts ?? defaults.attempts;
  const deadlineMs = options.deadline ?? defaultDeadlineMs(timeoutMs, attempts);
  const mayOutlastDeadline = options.deadline === undefined;
  const isBroadcast = parseBroadcast(isOneWay, options.broadcast);
  const waitsWhenFull = (options.whenFull ?? defaults.whenFull) === 'wait';
  return {
    isOneWay,
    timeoutMs,
    deadlineMs,
    mayOutlastDeadline,
    attempts,
    isBroadcast,
    waitsWhenFull,
  };
}

function parseBroadcast(isOneWay: boolean, broadcast = false): boolean {
  flag('broadcast', broadcast);
  if (broadcast && !isOneWay) throw new CloudsBadOptionsError(messages.broadcastCall());
  return broadcast;
}

/** What the frames of one call say. @throws CloudsUnserializableError, CloudsPayloadTooLargeError */
export function callBody(data: unknown, headers: Metadata | undefined, maxBytes: number): Text {
  const body = requestBody(headers, encodeData(data, maxBytes));
  if (headers) checkSize(body, maxBytes);
  return body;
}

function defaultDeadlineMs(timeoutMs: number, attempts: number): number {
  return attempts === UNLIMITED_ATTEMPTS
    ? Math.max(UNLIMITED_DEADLINE_MS, timeoutMs)
    : timeoutMs * attempts;
}

/** @throws CloudsBadOptionsError */
export function checkCallOptions(options: CallOptions): void {
  object('the options of a call', options);
  for (const key in options) {
    if (!CALL_KEYS.includes(key as keyof CallOptions)) {
      throw new CloudsBadOptionsError(messages.unknownOption(key, CALL_KEYS));
    }
  }
  if (options.timeout !== undefined) duration('timeout', options.timeout);
  if (options.deadline !== undefined) duration('deadline', options.deadline);
  if (options.attempts !== undefined) parseAttempts('attempts', options.attempts);
  if (options.whenFull !== undefined) parseWhenFull('whenFull', options.whenFull);
  if (options.detached !== undefined) flag('detached', options.detached);
  if (options.headers !== undefined) checkHeaders(options.headers);
}

function checkHeaders(headers: unknown): void {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw new CloudsBadOptionsError(
      messages.badHeaders('headers', 'an object of strings', headers),
    );
  }
  for (const [name, value] of Object.entries(headers as Record<string, unknown>)) {
    if (typeof value !== 'string') {
      throw new CloudsBadOptionsError(messages.badHeaders(`headers.${name}`, 'a string', value));
    }
  }
}
