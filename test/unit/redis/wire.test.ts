import { describe, expect, it } from 'vitest';
import { Block } from '../../../lib/common/blocks.js';
import { joinTexts, LongText, type Text, wrapText } from '../../../lib/protocol/text.js';
import {
  type Command,
  PiecewiseCommand,
  type Sink,
  writeQuietly,
} from '../../../lib/redis/wire.js';

const SKIP = '*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n';
const LENGTH = 20_000;

/** A socket that notes what leaves together, and calls back when the test says so. */
class FakeSink implements Sink {
  readonly calls: (string | Buffer)[][] = [];
  #corks = 0;
  #callbacks: ((error?: Error | null) => void)[] = [];

  get pieces(): (string | Buffer)[] {
    return this.calls.flat();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.pieces.map((piece) => Buffer.from(piece as string)));
  }

  get isCorked(): boolean {
    return this.#corks > 0;
  }

  cork(): void {
    if (this.#corks++ === 0) this.calls.push([]);
  }

  uncork(): void {
    this.#corks--;
  }

  write(piece: string | Buffer, callback?: (error?: Error | null) => void): void {
    if (!this.isCorked) this.calls.push([]);
    this.calls.at(-1)!.push(piece);
    if (callback) this.#callbacks.push(callback);
  }

  /** The oldest write that has a callback is done. */
  callBack(error?: Error): void {
    this.#callbacks.shift()!(error);
  }
}

/** Reads what Redis would read: arrays of bulk strings, by the number of their bytes. */
function readCommands(bytes: Buffer): string[][] {
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

/** Without those that keep Redis from answering. */
const readQuiet = ({ bytes }: FakeSink) =>
  readCommands(bytes).filter(([name]) => name !== 'CLIENT');

function quietly(...commands: Command[]): FakeSink {
  const sink = new FakeSink();
  writeQuietly(sink, commands);
  return sink;
}

/** What the driver does with a command. */
function throughDriver(command: Command): FakeSink {
  const sink = new FakeSink();
  sink.write(new PiecewiseCommand(command).toWritable(sink));
  return sink;
}

const quietText = (...commands: Command[]) => quietly(...commands).bytes.toString();

/** `["<text>"]`, with its block. */
function longText(text = 'x'.repeat(LENGTH)): { text: LongText; block: Block } {
  const wrapped = wrapText('["', text, '"]') as LongText;
  return { text: wrapped, block: wrapped.pieces[1] as Block };
}

const isUsedAgain = (block: Block) => new Block(LENGTH).bytes.buffer === block.bytes.buffer;

const WORDS: [kind: string, word: string, read?: string][] = [
  ['ASCII', 'plain'],
  ['line ends', '\r\n$5\r\n*3\r\n'],
  ['NUL and other controls', '\0\x01\x7f'],
  ['characters of two, three and four bytes', 'ä€名😀'],
  ['half a character of four bytes, which becomes U+FFFD', '\ud83d', '\ufffd'],
  ['a long string', '名'.repeat(100_000)],
];

describe('a quiet command', () => {
  it('comes behind the one that has Redis not answer it', () => {
    expect(quietText(['publish', 'channel', 'text'])).toBe(
      `${SKIP}*3\r\n$7\r\npublish\r\n$7\r\nchannel\r\n$4\r\ntext\r\n`,
    );
  });

  it('has each its own, as that holds for one command only', () => {
    expect(quietText(['ping'], ['get', 'a'])).toBe(
      `${SKIP}*1\r\n$4\r\nping\r\n${SKIP}*2\r\n$3\r\nget\r\n$1\r\na\r\n`,
    );
  });

  it('is nothing when there is none', () => {
    expect(quietText()).toBe('');
  });

  it('has numbers as Redis reads them, and empty words', () => {
    const sink = quietly(['zadd', 'set', 'XX', 'INCR', -2.5, ''], ['echo', 1e21, 0]);
    expect(readQuiet(sink)).toEqual([
      ['zadd', 'set', 'XX', 'INCR', '-2.5', ''],
      ['echo', '1e+21', '0'],
    ]);
  });

  it('counts bytes and not characters', () => {
    expect(quietText(['é', '名前', '😀'])).toBe(
      `${SKIP}*3\r\n$2\r\né\r\n$6\r\n名前\r\n$4\r\n😀\r\n`,
    );
  });

  it.each(WORDS)('is read as it was meant: %s', (_, word, read = word) => {
    const skip = ['CLIENT', 'REPLY', 'SKIP'];
    const { bytes } = quietly(['echo', word, 'end']);
    expect(readCommands(bytes)).toEqual([skip, ['echo', read, 'end']]);
  });

  it('leaves with all others at once', () => {
    const sink = quietly(['ping'], ['publish', 'a', longText().text], ['ping'], ['get', 'b']);
    expect(sink.calls).toHaveLength(1);
    expect(sink.isCorked).toBe(false);
    expect(readQuiet(sink).map(([name]) => name)).toEqual(['ping', 'publish', 'ping', 'get']);
  });

  it('is one string with all others when nothing in them is long', () => {
    expect(quietly(['ping'], ['echo', 'ä', 1], ['ping']).pieces).toHaveLength(1);
  });
});

describe('a command for the driver', () => {
  it('is a string when nothing in it is long, and nothing is written before', () => {
    const sink = new FakeSink();
    const command = new PiecewiseCommand(['zadd', 'set', -2.5, '', '名']);
    expect(command.toWritable(sink)).toBe(
      '*5\r\n$4\r\nzadd\r\n$3\r\nset\r\n$4\r\n-2.5\r\n$0\r\n\r\n$3\r\n名\r\n',
    );
    expect(sink.calls).toEqual([]);
  });

  it.each(WORDS)('is read as it was meant: %s', (_, word, read = word) => {
    const { bytes } = throughDriver(['echo', word, 'end']);
    expect(readCommands(bytes)).toEqual([['echo', read, 'end']]);
  });

  it('has its name there, and no arguments that an error could tell', () => {
    const { name, args } = new PiecewiseCommand(['publish', 'channel', 'secret']);
    expect([name, args]).toEqual(['publish', []]);
  });
});

describe.each([
  ['in a quiet command', quietly, SKIP],
  ['in a command for the driver', throughDriver, ''],
])('a long text %s', (_, send, before) => {
  it('is written as its own bytes, between strings', () => {
    const { text, block } = longText();
    expect(send(['publish', 'channel', text, 'end']).pieces).toEqual([
      `${before}*4\r\n$7\r\npublish\r\n$7\r\nchannel\r\n$${LENGTH + 4}\r\n["`,
      block.bytes,
      `"]\r\n$3\r\nend\r\n`,
    ]);
  });

  it('is not copied', () => {
    const { text, block } = longText();
    expect(send(['publish', 'channel', text]).pieces[1]).toBe(block.bytes);
  });

  it.each([
    ['ASCII', 'x\r\n'.repeat(5000)],
    ['Latin-1', 'é'.repeat(5000)],
    ['characters of three and four bytes', '名😀'.repeat(5000)],
    ['halves of characters of four bytes', '\ud83d'.repeat(5000), '\ufffd'.repeat(5000)],
  ])('is read as it was meant: %s', (kind, text, read = text) => {
    const sink = send(['publish', 'ä', longText(text).text, kind]);
    expect(readQuiet(sink)).toEqual([['publish', 'ä', `["${read}"]`, kind]]);
  });

  it.each<[string, Text]>([
    ['of several long ones', joinTexts(['ä', longText().text, ',', longText().text, '名'])],
    ['with nothing between bytes', new LongText([longText().block, longText().block])],
    ['without bytes', new LongText(['[', 'ä', ']'])],
    ['without anything', new LongText([])],
  ])('is read as it was meant: one %s', (_, text) => {
    const sink = send(['echo', text, 'between', text]);
    expect(readQuiet(sink)).toEqual([['echo', String(text), 'between', String(text)]]);
  });

  it('gives its memory back when it is written, and not before', () => {
    const { text, block } = longText();
    const sink = send(['publish', 'channel', text]);
    text.release();
    expect(isUsedAgain(block)).toBe(false);
    sink.callBack();
    expect(isUsedAgain(block)).toBe(true);
  });

  it('gives its memory back when it is written as often as it was sent', () => {
    const { text, block } = longText();
    const sink = send(['publish', text, text]);
    text.release();
    sink.callBack();
    expect(isUsedAgain(block)).toBe(false);
    sink.callBack();
    expect(isUsedAgain(block)).toBe(true);
  });

  it('keeps its memory while somebody needs it, though it is written', () => {
    const { text, block } = longText();
    send(['publish', 'channel', text]).callBack();
    expect(isUsedAgain(block)).toBe(false);
    text.release();
    expect(isUsedAgain(block)).toBe(true);
  });

  it('does not give its memory back when it could not be written', () => {
    const { text, block } = longText();
    const sink = send(['publish', 'channel', text]);
    text.release();
    sink.callBack(new Error('EPIPE'));
    expect(isUsedAgain(block)).toBe(false);
  });

  it('cannot be sent when it was released', () => {
    const { text } = longText();
    text.release();
    expect(() => send(['publish', 'channel', text])).toThrow('used after its release');
  });
});
