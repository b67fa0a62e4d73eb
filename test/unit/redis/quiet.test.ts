import { describe, expect, it } from 'vitest';
import { quietText } from '../../../lib/redis/quiet.js';

const SKIP = '*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n';

/** Reads what Redis would read: arrays of bulk strings, by the number of their bytes. */
function readCommands(text: string): string[][] {
  const bytes = Buffer.from(text);
  let at = 0;
  const readNumber = (mark: string) => {
    const end = bytes.indexOf('\r\n', at);
    const line = bytes.toString('utf8', at, end);
    expect(line[0]).toBe(mark);
    at = end + 2;
    return Number(line.slice(1));
  };
  const readWord = () => {
    const length = readNumber('$');
    const word = bytes.toString('utf8', at, at + length);
    expect(bytes.toString('utf8', at + length, at + length + 2)).toBe('\r\n');
    at += length + 2;
    return word;
  };
  const commands: string[][] = [];
  while (at < bytes.length) commands.push(Array.from({ length: readNumber('*') }, readWord));
  return commands;
}

describe('a quiet command', () => {
  it('comes behind the one that has Redis not answer it', () => {
    expect(quietText([['publish', 'channel', 'text']])).toBe(
      `${SKIP}*3\r\n$7\r\npublish\r\n$7\r\nchannel\r\n$4\r\ntext\r\n`,
    );
  });

  it('has each its own, as that holds for one command only', () => {
    expect(quietText([['ping'], ['get', 'a']])).toBe(
      `${SKIP}*1\r\n$4\r\nping\r\n${SKIP}*2\r\n$3\r\nget\r\n$1\r\na\r\n`,
    );
  });

  it('is nothing when there is none', () => {
    expect(quietText([])).toBe('');
  });

  it('has numbers as Redis reads them, and empty words', () => {
    const text = quietText([
      ['zadd', 'set', 'XX', 'INCR', -2.5, ''],
      [1e21, 0],
    ] as never);
    expect(readCommands(text).filter(([name]) => name !== 'CLIENT')).toEqual([
      ['zadd', 'set', 'XX', 'INCR', '-2.5', ''],
      ['1e+21', '0'],
    ]);
  });

  it('counts bytes and not characters', () => {
    expect(quietText([['é', '名前', '😀']])).toBe(
      `${SKIP}*3\r\n$2\r\né\r\n$6\r\n名前\r\n$4\r\n😀\r\n`,
    );
  });

  it.each([
    ['ASCII', 'plain'],
    ['line ends', '\r\n$5\r\n*3\r\n'],
    ['NUL and other controls', '\0\x01\x7f'],
    ['characters of two, three and four bytes', 'ä€名😀'],
    ['half a character of four bytes, which becomes U+FFFD', '\ud83d', '\ufffd'],
    ['a long text', '名'.repeat(100_000)],
  ])('is read as it was meant: %s', (_, word, read = word) => {
    const skip = ['CLIENT', 'REPLY', 'SKIP'];
    expect(readCommands(quietText([['echo', word, 'end']]))).toEqual([skip, ['echo', read, 'end']]);
  });
});
