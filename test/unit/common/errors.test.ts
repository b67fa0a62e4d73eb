import { describe, expect, it } from 'vitest';
import * as errors from '../../../lib/common/errors.js';
import {
  CloudsError,
  cloudsError,
  CloudsErrorCode,
  isCloudsErrorCode,
} from '../../../lib/common/errors.js';
import { messages, quoted } from '../../../lib/common/messages.js';

const codes = Object.values(CloudsErrorCode);

describe('every code', () => {
  it.each(codes)('%s has a class of its own', (code) => {
    const cause = new Error('underneath');
    const error = cloudsError(code, 'text', { cause, details: { a: 1 }, node: 'n1' });
    expect(Object.entries(errors)).toContainEqual([error.name, error.constructor]);
    expect(error.constructor).not.toBe(CloudsError);
    expect(error).toBeInstanceOf(CloudsError);
    expect(error).toMatchObject({ code, message: 'text', cause, details: { a: 1 }, node: 'n1' });
  });

  it.each([
    ['CLOUDS_TIMEOUT', true],
    ['CLOUDS_NO_NODE', true],
    ['CLOUDS_NODE_LOST', true],
    ['CLOUDS_OVERLOADED', true],
    ['CLOUDS_DISCONNECTED', true],
    ['CLOUDS_CLOSED', false],
    ['CLOUDS_EXPIRED', true],
    ['CLOUDS_CANCELLED', false],
    ['CLOUDS_PAYLOAD_TOO_LARGE', false],
    ['CLOUDS_BAD_NAME', false],
    ['CLOUDS_BAD_OPTIONS', false],
    ['CLOUDS_UNSERIALIZABLE', false],
  ] as const)('%s says whether the call may be made again: %j', (code, retryable) => {
    expect(cloudsError(code, '').retryable).toBe(retryable);
  });

  it('is told from other text, also from names that every object has', () => {
    expect(codes.every(isCloudsErrorCode)).toBe(true);
    const others = ['CLOUDS_NONE', 'constructor', '__proto__', '', 5, null, undefined];
    expect(others.some(isCloudsErrorCode)).toBe(false);
  });
});

describe('messages', () => {
  it('say "timeout" of a timeout', () => {
    expect(messages.timeout('sum', 500, 1)).toContain('timeout');
    expect(messages.timeout('sum', 500, 3)).toContain('timeout');
  });

  it('quote foreign text so that it cannot forge a line, and cut it', () => {
    expect(quoted('a\nb')).toBe('"a\\nb"');
    expect(quoted('x'.repeat(5000)).length).toBeLessThan(210);
    expect(quoted(Symbol('s'))).toBe('"Symbol(s)"');
  });
});
