import { Command as RedisCommand } from 'ioredis';
import { Block } from '../common/blocks.js';
import { LongText, type Text } from '../protocol/text.js';

/** Of a command, beside its name. */
export type Argument = Text | number;
export type Command = readonly [name: string, ...args: Argument[]];

/** What a socket can do. */
export interface Sink {
  cork(): void;
  uncork(): void;
  write(piece: string | Buffer, callback?: (error?: Error | null) => void): unknown;
}

const SKIP_ANSWER = '*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n';

/** Sends commands, each preceded by the one that has Redis keep its answer to itself. */
export function writeQuietly(sink: Sink, commands: readonly Command[]): void {
  const writer = new Writer(sink);
  // All pieces leave in one system call.
  sink.cork();
  try {
    for (const command of commands) {
      writer.add(SKIP_ANSWER);
      writer.addCommand(command);
    }
    sink.write(writer.rest());
  } finally {
    sink.uncork();
  }
}

/**
 * A command for the driver, whose own join all of their arguments, and keep them in their errors. Stays when that is mended:
 * what is long is written without a copy.
 */
export class PiecewiseCommand extends RedisCommand {
  readonly #command: Command;

  constructor(command: Command) {
    super(command[0], [], { replyEncoding: 'utf8' });
    this.#command = command;
  }

  /** The driver writes what is returned behind what was written already. */
  override toWritable(sink: object): string {
    const writer = new Writer(sink as Sink);
    writer.addCommand(this.#command);
    return writer.rest();
  }
}

/** Writes commands to a socket, joined but for what is long. */
class Writer {
  #text = '';

  constructor(private readonly sink: Sink) {}

  add(text: string): void {
    this.#text += text;
  }

  addCommand(command: Command): void {
    this.add(`*${command.length}\r\n`);
    for (const argument of command) {
      if (argument instanceof LongText) this.#addLong(argument);
      else this.#addShort(String(argument));
    }
  }

  /** What has not been written yet. */
  rest(): string {
    return this.#text;
  }

  #addShort(word: string): void {
    this.add(`$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  }

  #addLong({ length, pieces }: LongText): void {
    this.add(`$${length}\r\n`);
    for (const piece of pieces) {
      if (piece instanceof Block) this.#write(piece);
      else this.add(piece);
    }
    this.add('\r\n');
  }

  #write(block: Block): void {
    const onWritten = block.beginWrite();
    this.sink.write(this.#text);
    this.sink.write(block.bytes, onWritten);
    this.#text = '';
  }
}
