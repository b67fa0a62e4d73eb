import { Block } from '../common/blocks.js';

/** A part of a message. */
export type Text = string | LongText;

/** Longer texts are kept in pieces, and do not pass through Lua. In UTF-16 units. */
export const LONG = 4 * 1024;

/**
 * A text in pieces, which the socket joins and nobody before: each joining would copy it. No character of four
 * bytes may lie across two pieces.
 */
export class LongText {
  /** In bytes. */
  readonly length: number;

  constructor(readonly pieces: readonly (string | Block)[]) {
    let length = 0;
    for (const piece of pieces) length += lengthOf(piece);
    this.length = length;
  }

  /** The text must not be used any more: its memory is, as soon as all writes are done. */
  release(): void {
    for (const piece of this.pieces) if (piece instanceof Block) piece.release();
  }

  toString(): string {
    return this.pieces
      .map((piece) => (piece instanceof Block ? piece.bytes.toString() : piece))
      .join('');
  }
}

export function byteLength(text: Text): number {
  return typeof text === 'string' ? Buffer.byteLength(text) : text.length;
}

/** The text up to its first long part. */
export function beginningOf(text: Text): string {
  if (typeof text === 'string') return text;
  const [first] = text.pieces;
  return typeof first === 'string' ? first : '';
}

/** Of a text that nobody needs any more. */
export function release(text: Text): void {
  if (typeof text !== 'string') text.release();
}

/** `text` with what goes before and behind it. */
export function wrapText(before: string, text: Text, behind: string): Text {
  if (typeof text !== 'string') return new LongText([before, ...text.pieces, behind]);
  if (text.length > LONG) return new LongText([before, blockOf(text), behind]);
  return before + text + behind;
}

/** A string if all of the parts are. */
export function joinTexts(parts: readonly Text[]): Text {
  if (parts.every((part) => typeof part === 'string')) return parts.join('');
  return new LongText(parts.flatMap((part) => (typeof part === 'string' ? part : part.pieces)));
}

/** Writes as many bytes as `byteLength` says. */
export function writeText(target: Buffer, offset: number, text: Text): void {
  let at = offset;
  for (const piece of typeof text === 'string' ? [text] : text.pieces) {
    if (piece instanceof Block) at += piece.bytes.copy(target, at);
    else at += writeString(target, at, piece, Buffer.byteLength(piece));
  }
}

function lengthOf(piece: string | Block): number {
  return piece instanceof Block ? piece.bytes.length : Buffer.byteLength(piece);
}

function blockOf(text: string): Block {
  const length = Buffer.byteLength(text);
  const block = new Block(length);
  writeString(block.bytes, 0, text, length);
  return block;
}

/** As many bytes as units: the text is ASCII, and need not be encoded. */
function writeString(target: Buffer, offset: number, text: string, length: number): number {
  return target.write(text, offset, length, length === text.length ? 'latin1' : 'utf8');
}
