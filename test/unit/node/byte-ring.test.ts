import { describe, expect, it } from 'vitest';
import { ByteRing, type Span } from '../../../lib/node/byte-ring.js';
import { LONG, release, type Text, wrapText } from '../../../lib/protocol/text.js';
import { Random, seedOfRun } from '../../support/random.js';

/** What a ring of ten bytes has after these texts, in their order. */
function keptOf(...texts: string[]): (string | undefined)[] {
  const ring = new ByteRing(10);
  const spans = texts.map((text) => ring.write(text));
  return spans.map((span) => ring.read(span)?.toString());
}

describe('a byte ring', () => {
  it.each(['', 'plain', 'ä€名😀', '\ud83d'])('has what was written, in UTF-8: %j', (text) => {
    const ring = new ByteRing(100);
    const spans = [text, 'between', text].map((one) => ring.write(one));
    const expected = [text, 'between', text].map((one) => Buffer.from(one));
    expect(spans.map((span) => ring.read(span))).toEqual(expected);
  });

  it('says where it is, from the first byte that was ever written', () => {
    const ring = new ByteRing(10);
    expect(['', 'abc', 'ä'].map((text) => ring.write(text))).toEqual([
      { start: 0, end: 0 },
      { start: 0, end: 3 },
      { start: 3, end: 5 },
    ]);
  });

  it('has a copy of a text in pieces, which may be released', () => {
    const ring = new ByteRing(10 * LONG);
    const text = wrapText('["', 'ä'.repeat(2 * LONG), '"]');
    const span = ring.write(text);
    release(text);
    wrapText('', 'other'.repeat(LONG), '');
    expect(ring.read(span)).toEqual(Buffer.from(`["${'ä'.repeat(2 * LONG)}"]`));
  });

  it('keeps all that fits', () => {
    expect(keptOf('abc', 'def', 'ghij')).toEqual(['abc', 'def', 'ghij']);
  });

  it.each([
    ['the oldest', ['abc', 'def', 'ghij', 'k'], 1],
    ['as many as it needs the room of', ['abc', 'def', 'ghij', 'klmn'], 2],
    ['all if it fills the ring', ['abc', 'def', '0123456789'], 2],
    ['one that filled the ring', ['0123456789', 'a'], 1],
  ])('writes over %s', (_, texts, lost) => {
    expect(keptOf(...texts)).toEqual(texts.map((text, i) => (i < lost ? undefined : text)));
  });

  it('begins anew with a text for which there is no room up to the end', () => {
    expect(keptOf('abc', 'def', 'gh', 'ijk')).toEqual([undefined, 'def', 'gh', 'ijk']);
    expect(keptOf('a', 'bcdefgh', 'ijk', 'l')).toEqual([undefined, undefined, 'ijk', 'l']);
  });

  it('does not lose anything to an empty text', () => {
    expect(keptOf('', 'abcde', '', 'fghij', '')).toEqual(['', 'abcde', '', 'fghij', '']);
  });

  it('says whether it still has a text', () => {
    const ring = new ByteRing(10);
    const [first, second] = [ring.write('abcd'), ring.write('efgh')];
    expect([first, second].map((span) => ring.has(span))).toEqual([true, true]);
    ring.write('ijkl');
    expect([first, second].map((span) => ring.has(span))).toEqual([false, true]);
  });

  it('gives the bytes themselves, over which the next text may be written', () => {
    const ring = new ByteRing(10);
    const bytes = ring.read(ring.write('abc'));
    ring.write('0123456789');
    expect(String(bytes)).toBe('012');
  });
});

it('a ring has the newest texts as they were, and no others, after any', () => {
  const random = new Random(seedOfRun());
  const ring = new ByteRing(1000);
  const written: { text: string; span: Span }[] = [];
  for (let i = 0; i < 3000; i++) {
    const most = random.pick([2, 20, 300]);
    const text = random.pick([...'aé名']).repeat(random.below(most)) + i;
    const form: Text = random.below(2) === 0 ? text : wrapText('', text, '');
    written.push({ text, span: ring.write(form) });
    const last = written.slice(-200);
    const kept = last.filter(({ span }) => ring.has(span));
    const context = `seed ${random.seed}, turn ${i}`;
    expect(kept, context).toEqual(last.slice(-kept.length));
    expect(kept.length, context).toBeGreaterThan(0);
    const read = last.map(({ span }) => ring.read(span)?.toString());
    const expected = last.map(({ text, span }) => (ring.has(span) ? text : undefined));
    expect(read, context).toEqual(expected);
  }
});
