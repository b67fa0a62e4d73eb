import { describe, expect, it } from 'vitest';
import { Block } from '../../../lib/common/blocks.js';
import { CloudsPayloadTooLargeError } from '../../../lib/common/errors.js';
import { encodeData } from '../../../lib/protocol/payload.js';
import { plainStringJson } from '../../../lib/protocol/plain-string.js';
import { byteLength, LONG, LongText, release } from '../../../lib/protocol/text.js';
import { Random, seedOfRun } from '../../support/random.js';
import { thrown } from '../../support/thrown.js';

/** The first lengths that are long enough, with every rest after the last whole word. */
const LENGTHS = Array.from({ length: 14 }, (_, i) => LONG + 1 + i);
const CODES = Array.from({ length: 0x180 }, (_, code) => code);
/** Of ASCII, and nothing in it is escaped. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7f]*$/;

const withAt = (length: number, position: number, text: string) =>
  'x'.repeat(position) + text + 'x'.repeat(length - position - text.length);

/** Whether plain strings, and no others, are written as JSON.stringify writes them. */
function isRight(text: string): boolean {
  const json = plainStringJson(text);
  if (json === undefined) return !PLAIN.test(text);
  const expected = JSON.stringify(text);
  const isSame = json.length === expected.length && json.toString() === expected;
  release(json);
  return isSame && PLAIN.test(text);
}

describe('a long plain string', () => {
  it.each(LENGTHS)('is written as JSON.stringify does, with a length of %d', (length) => {
    const text = 'aZ09+/= ~\x7f'.repeat(LONG).slice(0, length);
    const json = plainStringJson(text);
    expect(json?.pieces).toEqual([expect.any(Block)]);
    expect(json).toHaveLength(length + 2);
    expect(String(json)).toBe(JSON.stringify(text));
  });

  it('is a string of more than 4 Ki units', () => {
    for (const length of [0, 1, LONG - 1, LONG])
      expect(plainStringJson('x'.repeat(length))).toBeUndefined();
  });

  it('is told from others by each character, at both ends and around each word', () => {
    const wrong: string[] = [];
    for (const length of LENGTHS.slice(0, 4)) {
      const last = Array.from({ length: 8 }, (_, i) => length - 1 - i);
      // The quote before it moves each character by one byte.
      const positions = new Set([0, 1, 2, 3, 4, 5, 6, 7, 2047, LONG - 2, LONG - 1, LONG, ...last]);
      for (const position of positions) {
        for (const code of CODES) {
          const text = withAt(length, position, String.fromCharCode(code));
          if (!isRight(text)) wrong.push(`${code} at ${position} of ${length}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    ['a quote', '"'],
    ['a backslash', '\\'],
    ['an escape', '\\"'],
    ['a line feed', '\n'],
    ['a NUL', '\0'],
    ['the last control character', '\x1f'],
    ['a character of two bytes', 'é'],
    ['a character of three bytes', '名'],
    ['a character of four bytes', '😀'],
    ['the first half of one', '\ud83d'],
    ['the second half of one', '\ude00'],
    ['both in the wrong order', '\ude00\ud83d'],
  ])('is not one with %s, wherever that is', (_, inside) => {
    for (const length of LENGTHS) {
      for (const position of [0, 1, LONG / 2, length - inside.length - 1, length - inside.length])
        expect(plainStringJson(withAt(length, position, inside))).toBeUndefined();
    }
  });

  it('is told from others when it is much longer, and when many characters are not plain', () => {
    const random = new Random(seedOfRun());
    for (let i = 0; i < 500; i++) {
      const characters = Array<string>(LONG + 1 + random.below(10 * LONG)).fill('x');
      for (let count = random.below(4); count > 0; count--)
        characters[random.below(characters.length)] = String.fromCharCode(random.below(0x90));
      expect(isRight(characters.join('')), `seed ${random.seed}, turn ${i}`).toBe(true);
    }
  });

  it('costs no memory when it turns out to be none', () => {
    const before = new Block(LONG);
    before.release();
    expect(plainStringJson(withAt(LONG + 1, LONG, '\n'))).toBeUndefined();
    expect(new Block(LONG).bytes.buffer).toBe(before.bytes.buffer);
  });
});

describe('a long string as data', () => {
  const LONG_STRINGS: [string, string][] = [
    ['Base64', Buffer.alloc(30_000, 'nestjs').toString('base64')],
    ['lines', 'a line\r\n'.repeat(LONG)],
    ['JSON', JSON.stringify(Array.from({ length: LONG }, (_, i) => ({ [`"${i}"`]: '\\' })))],
    ['Latin-1', 'é'.repeat(LONG + 1)],
    ['characters of three and four bytes', '名😀'.repeat(LONG)],
    ['halves of characters of four bytes', '\ud83dx\ude00'.repeat(LONG)],
    ['one quote behind many plain characters', `${'x'.repeat(10 * LONG)}"`],
  ];

  it.each(LONG_STRINGS)('reads back as it was: %s', (_, text) => {
    const json = encodeData(text, Infinity);
    expect(JSON.parse(json.toString()) === text).toBe(true);
    expect(byteLength(json)).toBe(Buffer.byteLength(JSON.stringify(text)));
  });

  it.each(LONG_STRINGS)('may take as many bytes as are allowed, and no more: %s', (_, text) => {
    const bytes = Buffer.byteLength(JSON.stringify(text));
    expect(byteLength(encodeData(text, bytes))).toBe(bytes);
    const error = thrown<CloudsPayloadTooLargeError>(() => encodeData(text, bytes - 1));
    expect(error).toBeInstanceOf(CloudsPayloadTooLargeError);
    expect(error.details).toEqual({ bytes, maxBytes: bytes - 1 });
  });

  it('is bytes when it is plain, and a string when it is not', () => {
    expect(encodeData('x'.repeat(LONG + 1), Infinity)).toBeInstanceOf(LongText);
    expect(encodeData('"'.repeat(LONG + 1), Infinity)).toBeTypeOf('string');
    expect(encodeData('x'.repeat(LONG), Infinity)).toBeTypeOf('string');
  });
});
