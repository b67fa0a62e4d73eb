import { MAX_TIMER_MS } from './durations.js';
import { CloudsBadOptionsError } from './errors.js';
import { messages } from './messages.js';

/** Stands for a value that may be, or hold, a password. */
export const NOT_SHOWN = Symbol(messages.notShown());

/** @throws CloudsBadOptionsError unless `value` is a number of milliseconds that a timer can hold. */
export function duration(path: string, value: unknown, least = 1): number {
  if (typeof value === 'number' && value >= least && value <= MAX_TIMER_MS) return value;
  throw bad(path, `a number of milliseconds from ${least} to ${MAX_TIMER_MS}`, value);
}

export function durationOr(path: string, value: unknown, byDefault: number, least = 1): number {
  return duration(path, value ?? byDefault, least);
}

export function integer(
  path: string,
  value: unknown,
  byDefault: number,
  least: number,
  most: number,
): number {
  const given = value ?? byDefault;
  if (Number.isSafeInteger(given) && (given as number) >= least && (given as number) <= most) {
    return given as number;
  }
  throw bad(path, `a whole number from ${least} to ${most}`, value);
}

export function flag(path: string, value: unknown): void {
  if (typeof value !== 'boolean') throw bad(path, 'true or false', value);
}

export function object(path: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    // A string is not shown: whoever gives one for all the options gives a URL, with its password.
    throw bad(path, 'an object', typeof value === 'string' ? NOT_SHOWN : value);
  }
}

export function known(parent: string, value: object, allowed: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (!allowed.includes(key)) {
      throw new CloudsBadOptionsError(messages.unknownOption(`${parent}${key}`, allowed));
    }
  }
}

export function bad(path: string, expected: string, actual: unknown): CloudsBadOptionsError {
  return new CloudsBadOptionsError(messages.badOption(path, expected, actual), {
    details: { option: path },
  });
}

export function contradiction(first: string, second: string, rule: string): CloudsBadOptionsError {
  return new CloudsBadOptionsError(messages.contradiction(first, second, rule), {
    details: { option: first },
  });
}
