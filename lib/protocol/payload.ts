import { CloudsPayloadTooLargeError, CloudsUnserializableError } from '../common/errors.js';
import { messages, textOf } from '../common/messages.js';
import { isDeeperThan, mayBeDeeperThan } from './depth.js';
import { plainStringJson } from './plain-string.js';
import { byteLength, type Text } from './text.js';

/** How deep data may nest; what is around it in a message takes three more levels. */
export const MAX_DATA_DEPTH = 64;
/** No UTF-16 unit takes more than three bytes in UTF-8. */
const MAX_BYTES_PER_UNIT = 3;
const REASON_OF_V8 =
  /^\w+: (Converting circular structure to JSON|Do not know how to serialize a BigInt|Invalid string length|Maximum call stack size exceeded)/;

/**
 * Data as JSON; the empty string for `undefined`.
 * @throws CloudsUnserializableError if it is circular, too deep, or has a BigInt, function or symbol in its place.
 * @throws CloudsPayloadTooLargeError if it takes more than `maxBytes` bytes.
 */
export function encodeData(data: unknown, maxBytes: number): Text {
  if (data === undefined) return '';
  if (typeof data === 'string') return encodeString(data, maxBytes);
  const json = stringify(data);
  if (json.length * MAX_BYTES_PER_UNIT > maxBytes) checkSize(json, maxBytes);
  if (isTooDeep(data, json)) {
    throw new CloudsUnserializableError(messages.unserializable(messages.tooDeep(MAX_DATA_DEPTH)));
  }
  return json;
}

function isTooDeep(data: unknown, json: string): boolean {
  if (!mayBeDeeperThan(data, MAX_DATA_DEPTH)) return false;
  return isDeeperThan(Buffer.from(json), MAX_DATA_DEPTH);
}

function encodeString(data: string, maxBytes: number): Text {
  const json = plainStringJson(data) ?? JSON.stringify(data);
  if (json.length * MAX_BYTES_PER_UNIT > maxBytes) checkSize(json, maxBytes);
  return json;
}

function stringify(data: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(data);
  } catch (error) {
    // Without a cause: it may say what is in the data.
    throw new CloudsUnserializableError(messages.unserializable(reasonOf(error)));
  }
  if (json === undefined) {
    throw new CloudsUnserializableError(messages.unserializable(`it is a ${typeof data}`));
  }
  return json;
}

/** Only what V8 says itself, and no line that draws a circle with property names. */
function reasonOf(error: unknown): string {
  return REASON_OF_V8.exec(textOf(error))?.[1] ?? messages.hasThrown();
}

/** @throws CloudsPayloadTooLargeError */
export function checkSize(text: Text, maxBytes: number): void {
  const bytes = byteLength(text);
  if (bytes > maxBytes) {
    throw new CloudsPayloadTooLargeError(messages.payloadTooLarge(bytes, maxBytes), {
      details: { bytes, maxBytes },
    });
  }
}
