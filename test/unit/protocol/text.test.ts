import { describe, expect, it } from 'vitest';
import { Block } from '../../../lib/common/blocks.js';
import {
  byteLength,
  joinTexts,
  LONG,
  LongText,
  release,
  type Text,
  wrapText,
  writeText,
} from '../../../lib/protocol/text.js';
import { Random, seedOfRun } from '../../support/random.js';

const TEXTS = ['', 'plain', 'ä€名😀', '\u00ff', '\ud83d'] as const;

function blockOf(text: string): Block {
  const bytes = Buffer.from(text);
  const block = new Block(bytes.length);
  block.bytes.set(bytes);
  return block;
}

/** The same text in every form. */
const forms = (text: string): Text[] => [
  text,
  new LongText([text]),
  new LongText([blockOf(text)]),
  new LongText(['', blockOf(text), '', blockOf('')]),
];

function bytesOf(text: Text): Buffer {
  const bytes = Buffer.alloc(byteLength(text));
  writeText(bytes, 0, text);
  return bytes;
}

const piecesOf = (text: Text) => (text as LongText).pieces;

describe('a long text', () => {
  it('is as long as its pieces are in UTF-8', () => {
    const text = new LongText(['[ä', blockOf('€'), '', '名', blockOf('😀'), ']']);
    expect(text).toHaveLength(14);
    expect(text.toString()).toBe('[ä€名😀]');
  });

  it('may have no pieces', () => {
    expect(new LongText([])).toHaveLength(0);
    expect(String(new LongText([]))).toBe('');
  });
});

describe('byteLength', () => {
  it.each(TEXTS)('is that of UTF-8, of strings and of long texts: %j', (text) => {
    const { length } = Buffer.from(text);
    expect(forms(text).map(byteLength)).toEqual(forms(text).map(() => length));
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
    ['halves of characters of four bytes', '\ud83d'.repeat(LONG + 1)],
  ])('makes bytes of a long one: %s', (_, text) => {
    const wrapped = wrapText('["ä",', text, '名]');
    expect(piecesOf(wrapped)).toEqual(['["ä",', expect.any(Block), '名]']);
    expect(bytesOf(wrapped).equals(Buffer.from(`["ä",${text}名]`))).toBe(true);
  });

  it('leaves a long text one, however short it is, and does not copy it', () => {
    const block = blockOf('ä');
    const wrapped = wrapText('[', new LongText(['<', block, '>']), ']');
    expect(String(wrapped)).toBe('[<ä>]');
    expect(piecesOf(wrapped)[2]).toBe(block);
  });
});

describe('joinTexts', () => {
  it('leaves strings a string, however long', () => {
    expect(joinTexts([])).toBe('');
    expect(joinTexts(TEXTS)).toBe(TEXTS.join(''));
    const long = 'x'.repeat(LONG + 1);
    expect(joinTexts([long, 'y', long])).toBe(`${long}y${long}`);
  });

  it('keeps all pieces as they are where there is a long text', () => {
    const [first, second] = [blockOf('ä'), blockOf('x')];
    const parts = ['[', new LongText(['<', first, '>']), '', '名', new LongText([second]), ']'];
    const joined = joinTexts(parts);
    expect(String(joined)).toBe('[<ä>名x]');
    expect(piecesOf(joined).filter((piece) => piece instanceof Block)).toEqual([first, second]);
  });

  it('writes half a character of four bytes as U+FFFD, and moves nothing by it', () => {
    const joined = joinTexts(['a\ud83d', new LongText([blockOf('b')]), 'c']);
    expect(bytesOf(joined).toString()).toBe('a\ufffdbc');
  });
});

describe('writeText', () => {
  it.each(TEXTS)('writes UTF-8 where it is told to, and nothing around it: %j', (text) => {
    const inside = Buffer.from(text);
    for (const form of forms(text)) {
      const target = Buffer.alloc(inside.length + 5, '.');
      writeText(target, 2, form);
      expect(target).toEqual(Buffer.concat([Buffer.from('..'), inside, Buffer.from('...')]));
    }
  });

  it('writes up to the end', () => {
    const target = Buffer.alloc(4, '.');
    for (const form of forms('xy')) writeText(target, 2, form);
    writeText(target, 4, '');
    expect(target.toString()).toBe('..xy');
  });
});

describe('release', () => {
  it('gives back the memory of a long text, and of those that it was made of', () => {
    const text = wrapText('[', 'x'.repeat(3 * LONG), ']');
    const block = piecesOf(text)[1] as Block;
    release(joinTexts(['<', text, '>']));
    expect(() => block.beginWrite()).toThrow();
    expect(new Block(3 * LONG).bytes.buffer).toBe(block.bytes.buffer);
  });

  it('may be asked for twice, and of strings', () => {
    const text = new LongText(['[', blockOf('x'), ']']);
    for (const one of [text, text, '[x]']) release(one);
    expect(new Block(1).bytes.buffer).not.toBe(new Block(1).bytes.buffer);
  });
});

it('texts that are wrapped and joined say the same as strings', () => {
  const random = new Random(seedOfRun());
  for (let i = 0; i < 200; i++) {
    const strings = Array.from({ length: random.below(5) }, () =>
      random.pick([...'xé名😀']).repeat(random.below(2 * LONG)),
    );
    const expected = `<${strings.map((one) => `[${one}]`).join('')}>`;
    const text = wrapText('<', joinTexts(strings.map((one) => wrapText('[', one, ']'))), '>');
    const context = `seed ${random.seed}, turn ${i}`;
    expect(String(text) === expected, context).toBe(true);
    expect(bytesOf(text).equals(Buffer.from(expected)), context).toBe(true);
    release(text);
  }
});
