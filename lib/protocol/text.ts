/**
 * A part of a message. Long ones are UTF-8 bytes, which lie outside of the garbage collector's heap: it
 * would copy a long string about for as long as the call is out.
 */
export type Text = string | Buffer;

/** From this length on, in UTF-16 units. */
const LONG = 16 * 1024;

export function byteLength(text: Text): number {
  return typeof text === 'string' ? Buffer.byteLength(text) : text.length;
}

export function startsWith(text: Text, beginning: string): boolean {
  if (typeof text === 'string') return text.startsWith(beginning);
  return text.toString('latin1', 0, beginning.length) === beginning;
}

/** `text` with what goes before and behind it. */
export function wrapText(before: string, text: Text, behind: string): Text {
  if (typeof text === 'string' && text.length <= LONG) return before + text + behind;
  return toBytes([before, text, behind]);
}

export function joinTexts(parts: readonly Text[]): Text {
  let length = 0;
  let isString = true;
  for (const part of parts) {
    length += part.length;
    isString &&= typeof part === 'string';
  }
  return isString && length <= LONG ? parts.join('') : toBytes(parts);
}

function toBytes(parts: readonly Text[]): Buffer {
  const lengths = parts.map(byteLength);
  const bytes = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  parts.forEach((part, index) => {
    const length = lengths[index]!;
    if (typeof part !== 'string') bytes.set(part, at);
    // As many bytes as units: the text is ASCII, and need not be encoded.
    else bytes.write(part, at, length, length === part.length ? 'latin1' : 'utf8');
    at += length;
  });
  return bytes;
}
