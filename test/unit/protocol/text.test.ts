import { describe, expect, it } from 'vitest';
import {
  byteLength,
  joinTexts,
  startsWith,
  type Text,
  wrapText,
} from '../../../lib/protocol/text.js';

/** The longest text that is a string. */
const LONG = 16 * 1024;
const TEXTS = ['', 'plain', 'ä€名😀', '\u00ff', '\ud83d'] as const;
const both = (text: string): Text[] => [text, Buffer.from(text)];

describe('byteLength', () => {
  it.each(TEXTS)('is that of UTF-8, of strings and of bytes: %j', (text) => {
    const { length } = Buffer.from(text);
    expect(both(text).map(byteLength)).toEqual([length, length]);
  });
});

describe('startsWith', () => {
  it.each([
    ['["id",0]', '["id",', true],
    ['["id",0]', '["id",0]', true],
    ['["id",0]', '', true],
    ['["id",0]', '["if",', false],
    ['["id"', '["id",', false],
    ['', '[', false],
    ['["名",0]', '["', true],
  ])('%j begins with %j: %j', (text, beginning, expected) => {
    expect(both(text).map((one) => startsWith(one, beginning))).toEqual([expected, expected]);
  });
});

describe('wrapText', () => {
  it('leaves a short string a string', () => {
    expect(wrapText('[', 'ä', ']')).toBe('[ä]');
    const longest = 'x'.repeat(LONG);
    expect(wrapText('[', longest, ']')).toBe(`[${longest}]`);
  });

  it.each([
    ['ASCII', 'x'.repeat(LONG + 1)],
    ['Latin-1', 'é'.repeat(LONG + 1)],
    ['others', '名😀'.repeat(LONG)],
  ])('makes bytes of a long one: %s', (_, text) => {
    const wrapped = wrapText('["ä",', text, '名]');
    expect(wrapped).toBeInstanceOf(Buffer);
    expect(wrapped.toString()).toBe(`["ä",${text}名]`);
  });

  it('leaves bytes bytes, however few', () => {
    const wrapped = wrapText('[', Buffer.from('ä'), ']');
    expect(wrapped).toEqual(Buffer.from('[ä]'));
  });
});

describe('joinTexts', () => {
  it('leaves short strings a string', () => {
    expect(joinTexts([])).toBe('');
    expect(joinTexts(TEXTS)).toBe(TEXTS.join(''));
    expect(joinTexts(['x'.repeat(LONG - 1), 'y'])).toBe('x'.repeat(LONG - 1) + 'y');
  });

  it('makes bytes of those that are long together', () => {
    const parts = ['x'.repeat(LONG), '', 'é', '名'];
    const joined = joinTexts(parts);
    expect(joined).toEqual(Buffer.from(parts.join('')));
  });

  it('makes bytes where there are some', () => {
    const parts = ['[', Buffer.from('ä'), ',', Buffer.alloc(0), '名', Buffer.from('x'), ']'];
    expect(joinTexts(parts)).toEqual(Buffer.from('[ä,名x]'));
  });

  it('writes half a character of four bytes as U+FFFD, and moves nothing by it', () => {
    const joined = joinTexts(['a\ud83d', Buffer.from('b'), 'c']);
    expect(joined.toString()).toBe('a\ufffdbc');
  });
});
