const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
/** From this length on it is faster to jump to the end of a string than to walk there. */
const LONG_STRING = 24;

/**
 * Whether JSON nests arrays and objects deeper than `limit`. It is asked before parsing: `JSON.parse` of five
 * million brackets blocks the process for seconds. A byte machine; of bytes and not of a string, which takes
 * twice the time.
 */
export function isDeeperThan(json: Uint8Array, limit: number): boolean {
  if (json.length <= limit) return false;
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i]!;
    if (byte === QUOTE) {
      i = endOfString(json, i);
    } else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) {
      if (++depth > limit) return true;
    } else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) {
      depth--;
    }
  }
  return false;
}

function endOfString(json: Uint8Array, open: number): number {
  for (let i = open + 1; i < open + LONG_STRING; i++) {
    const byte = json[i];
    if (byte === QUOTE) return i;
    if (byte === BACKSLASH) i++;
  }
  return endOfLongString(json, open + LONG_STRING);
}

function endOfLongString(json: Uint8Array, from: number): number {
  let close = json.indexOf(QUOTE, from);
  while (close !== -1 && isEscaped(json, close)) close = json.indexOf(QUOTE, close + 1);
  return close === -1 ? json.length : close;
}

function isEscaped(json: Uint8Array, quote: number): boolean {
  let backslashes = 0;
  while (json[quote - 1 - backslashes] === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}

/**
 * Whether the JSON of a value may nest deeper than `limit`: a quick look at the value, which cannot tell what
 * the `toJSON` of an object makes of it.
 */
export function mayBeDeeperThan(value: unknown, limit: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (limit === 0 || typeof (value as { toJSON?: unknown }).toJSON === 'function') return true;
  if (Array.isArray(value)) {
    for (const item of value) if (mayBeDeeperThan(item, limit - 1)) return true;
    return false;
  }
  for (const key in value) {
    if (mayBeDeeperThan((value as Record<string, unknown>)[key], limit - 1)) return true;
  }
  return false;
}
