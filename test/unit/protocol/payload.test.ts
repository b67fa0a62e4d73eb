import { describe, expect, it } from 'vitest';
import {
  CloudsPayloadTooLargeError,
  CloudsUnserializableError,
} from '../../../lib/common/errors.js';
import { messages } from '../../../lib/common/messages.js';
import { encodeData, MAX_DATA_DEPTH } from '../../../lib/protocol/payload.js';
import { thrown } from '../../support/thrown.js';

const LIMIT = 1000;
const circle: Record<string, unknown> = {};
circle.self = circle;
const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

describe('encodeData', () => {
  it.each([
    [undefined, ''],
    [null, 'null'],
    [[1, undefined, () => 1], '[1,null,null]'],
    [{ a: undefined }, '{}'],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
    [NaN, 'null'],
    ['\ud800', '"\\ud800"'],
  ])('writes %j', (data, json) => {
    expect(encodeData(data, LIMIT)).toBe(json);
  });

  it.each([
    ['a function', () => 1, messages.unserializable('it is a function')],
    ['a symbol', Symbol('s'), messages.unserializable('it is a symbol')],
    ['a BigInt', 1n, messages.unserializable('Do not know how to serialize a BigInt')],
    [
      'a BigInt inside',
      { a: [1n] },
      messages.unserializable('Do not know how to serialize a BigInt'),
    ],
    ['a circle', circle, messages.unserializable('Converting circular structure to JSON')],
    [
      'an object that does not want to',
      {
        toJSON() {
          throw new Error('no');
        },
      },
      messages.unserializable(messages.hasThrown()),
    ],
    [
      'what is too deep',
      nested(MAX_DATA_DEPTH + 1),
      messages.unserializable(messages.tooDeep(MAX_DATA_DEPTH)),
    ],
  ])('refuses %s', (_, data, message) => {
    const error = thrown(() => encodeData(data, 100 * LIMIT));
    expect(error).toBeInstanceOf(CloudsUnserializableError);
    expect(error.message).toBe(message);
  });

  it('refuses what is so deep that V8 gives up', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 50_000; i++) deep = [deep];
    expect(() => encodeData(deep, 100 * LIMIT)).toThrow(CloudsUnserializableError);
  });

  it('says of a circle neither keys nor values, which may be secret', () => {
    const secret: Record<string, unknown> = { hunter2: {} };
    secret.hunter2 = { back: secret };
    expect(thrown(() => encodeData(secret, LIMIT)).message).not.toContain('hunter2');
  });

  it('takes data as deep as the limit', () => {
    expect(encodeData(nested(MAX_DATA_DEPTH), LIMIT)).toHaveLength(2 * MAX_DATA_DEPTH + 1);
  });

  it.each([
    ['one byte', 'a', 1],
    ['two bytes', 'é', 2],
    ['three bytes', '名', 3],
    ['four bytes in two units', '🦊', 4],
    ['an escape', '\n', 2],
  ])('counts bytes, with characters of %s', (_, character, bytes) => {
    const text = character.repeat(100);
    const size = 100 * bytes + 2;
    expect(encodeData(text, size)).toBe(JSON.stringify(text));
    const error = thrown<CloudsPayloadTooLargeError>(() => encodeData(text, size - 1));
    expect(error).toBeInstanceOf(CloudsPayloadTooLargeError);
    expect(error.message).toBe(messages.payloadTooLarge(size, size - 1));
    expect(error.details).toEqual({ bytes: size, maxBytes: size - 1 });
  });
});
