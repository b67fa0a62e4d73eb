import { Block } from '../common/blocks.js';
import { LONG, LongText } from './text.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Control characters are below it. */
const SPACES = 0x20202020;
const HIGH_BITS = 0x80808080;
const WORD_BYTES = 4;
/** Most texts that have something to escape have it early. */
const WORDS_AT_ONCE = 1024;

/**
 * A long string as JSON, if it is ASCII and nothing in it has to be escaped, as in Base64: V8 would look at each
 * character by itself, which takes four times as long.
 */
export function plainStringJson(data: string): LongText | undefined {
  const { length } = data;
  if (length <= LONG || Buffer.byteLength(data) !== length) return undefined;
  const block = new Block(length + 2);
  const { bytes } = block;
  bytes[0] = bytes[length + 1] = QUOTE;
  bytes.write(data, 1, 'latin1');
  if (!hasControls(bytes) && isNowhere(QUOTE, bytes) && isNowhere(BACKSLASH, bytes))
    return new LongText([block]);
  block.release();
  return undefined;
}

/** Four bytes at a time: a byte below 0x20 borrows from its highest bit, as all of them are ASCII. */
function hasControls(bytes: Buffer): boolean {
  const whole = Math.floor(bytes.length / WORD_BYTES);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, whole);
  for (let from = 0; from < whole; from += WORDS_AT_ONCE) {
    const to = Math.min(from + WORDS_AT_ONCE, whole);
    let found = 0;
    for (let i = from; i < to; i++) found |= words[i]! - SPACES;
    if ((found & HIGH_BITS) !== 0) return true;
  }
  return bytes.subarray(whole * WORD_BYTES).some((byte) => byte < 0x20);
}

function isNowhere(byte: number, bytes: Buffer): boolean {
  return bytes.subarray(1, -1).indexOf(byte) === -1;
}
