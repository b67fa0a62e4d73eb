import { describe, expect, it } from 'vitest';
import {
  CloudsError,
  cloudsError,
  CloudsErrorCode,
  CloudsUnserializableError,
} from '../../../lib/common/errors.js';
import { messages } from '../../../lib/common/messages.js';
import { errorFrame, refusalFrame } from '../../../lib/protocol/encode.js';
import { RemoteError, reviveError, reviveRefusal } from '../../../lib/protocol/remote-error.js';
import type { Text } from '../../../lib/protocol/text.js';

const NODE = 'node-1';
const valueOf = (frame: Text) => (JSON.parse(frame.toString()) as unknown[])[3];
const revived = (error: Error) => reviveError(valueOf(errorFrame('id', 0, error, 100_000)), NODE);

describe('an Error of a handler', () => {
  it('arrives as an Error with its name, message and properties', () => {
    const error = revived(Object.assign(new TypeError('no'), { status: 409, code: 'E_NO' }));
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({ name: 'TypeError', message: 'no', status: 409, code: 'E_NO' });
  });

  it('has the stack of this process', () => {
    expect(reviveError({ message: 'no', stack: 'elsewhere' }, NODE).stack).not.toContain(
      'elsewhere',
    );
  });

  it.each(['__proto__', 'constructor', 'prototype', 'stack', 'cause'])(
    'cannot bring a property named %s',
    (key) => {
      const value: unknown = JSON.parse(`{"name":"Error","message":"no","${key}":{"evil":1}}`);
      const error = reviveError(value, NODE);
      const plain = new RemoteError('no', 'Error');
      expect(error).toBeInstanceOf(RemoteError);
      expect(Object.keys(error)).toEqual(Object.keys(plain));
      expect((error as Error & { evil?: unknown }).evil).toBeUndefined();
      expect(error.constructor).toBe(RemoteError);
    },
  );

  it.each([
    ['text', 'no', 'no'],
    ['null', null, 'null'],
    ['a number', 5, '5'],
    ['an object without a message', {}, 'undefined'],
  ])('is an Error also when it arrives as %s', (_, value, message) => {
    expect(reviveError(value, NODE)).toMatchObject({ name: 'Error', message });
  });

  it.each([{ toString: 1 }, { toString: null, valueOf: [] }, Object.create(null) as object])(
    'has some text when what comes as its message cannot be one: %j',
    (message) => {
      expect(reviveError({ name: 'Error', message }, 'node').message).toBe('(object)');
    },
  );

  it('has a name that is text', () => {
    expect(reviveError({ name: { a: 1 }, message: 'no' }, NODE).name).toBe('Error');
  });

  it('can be written as text whatever it brings along', () => {
    expect(String(reviveError({ name: 'Error', message: 'no', toString: 1 }, NODE))).toBe(
      'Error: no',
    );
  });
});

describe.each(Object.values(CloudsErrorCode))('an error with the code %s', (code) => {
  const original = cloudsError(code, 'text', { details: { limit: 5 } });

  it('arrives as one of its class when a handler threw it', () => {
    const error = revived(original);
    expect(error).toBeInstanceOf(original.constructor);
    expect(error).toMatchObject({ code, message: 'text', details: { limit: 5 }, node: NODE });
  });

  it('keeps the node that raised it, through whatever nodes it comes', () => {
    const first = cloudsError(code, 'text', { node: 'first' });
    expect(revived(first)).toMatchObject({ node: 'first' });
  });

  it('arrives as one of its class when the node refused with it', () => {
    const error = reviveRefusal(valueOf(refusalFrame('id', 0, original)), NODE);
    expect(error).toBeInstanceOf(original.constructor);
    expect(error).toMatchObject({ code, message: 'text', details: { limit: 5 }, node: NODE });
  });
});

describe('a refusal that cannot be read', () => {
  it.each([undefined, null, 5, 'text', [], {}, { code: 'CLOUDS_NEW' }, { code: 'constructor' }])(
    'is still an error of ours: %j',
    (value) => {
      const error = reviveRefusal(value, NODE);
      expect(error).toBeInstanceOf(CloudsUnserializableError);
      expect(error).toMatchObject({
        message: messages.malformedRequest(),
        node: NODE,
        details: {},
      });
    },
  );

  it('keeps the text that it has', () => {
    expect(reviveRefusal({ code: 'CLOUDS_NEW', message: 'hi', details: 5 }, NODE)).toMatchObject({
      message: 'hi',
      details: {},
    });
  });

  it('is of this package', () => {
    expect(reviveRefusal({}, NODE)).toBeInstanceOf(CloudsError);
  });
});
