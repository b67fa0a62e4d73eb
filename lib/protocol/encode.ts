import { types } from 'node:util';
import { type CloudsError } from '../common/errors.js';
import { textOf } from '../common/messages.js';
import {
  type Consumed,
  MessageKind,
  type Metadata,
  NO_METADATA,
  PROTOCOL_VERSION,
  ReplyKind,
} from './frames.js';
import { encodeData } from './payload.js';
import { joinTexts, type Text, wrapText } from './text.js';

/** What is left of an error that cannot be sent as it is, in characters. */
const MAX_ERROR_TEXT = 1000;
/** What is said of an error of which not all can be written. */
const ESSENTIAL = ['name', 'message', 'status', 'code', 'retryable', 'node'];

/** The constant part of a request batch; the script writes what stands before and behind it. */
export function requestHeader(from: string, service: string): string {
  return `"${from}",${JSON.stringify(service)},[`;
}

/** There is room for calls of the service. */
export function roomMessage(from: string, service: string): string {
  return JSON.stringify([PROTOCOL_VERSION, MessageKind.ROOM, from, service]);
}

/** The metadata and data of a request, made once per call and used by all of its attempts. */
export function requestBody(metadata: Metadata | undefined, dataJson: Text): Text {
  const metadataJson = metadataText(metadata);
  return dataJson === '' ? metadataJson : wrapText(`${metadataJson},`, dataJson, '');
}

/** The same of an event for subscribers of a wildcard, who want to know its name. */
export function eventBody(metadata: Metadata | undefined, dataJson: Text, event: string): Text {
  const behind = `,${JSON.stringify(event)}`;
  return wrapText(`${metadataText(metadata)},`, dataJson === '' ? 'null' : dataJson, behind);
}

function metadataText(metadata: Metadata | undefined): string {
  return metadata === undefined ? String(NO_METADATA) : JSON.stringify(metadata);
}

/** What stands before the body in a frame; behind it is a bracket. `timeLeft` may have a seal around it. */
export function requestHead(id: string, timeLeft: number | string, attempt: number): string {
  return `["${id}",${timeLeft},${attempt},`;
}

/** The line feed, which no frame has, shows the script, and who looks for signatures, where one ends. */
const BETWEEN_FRAMES = ',\n';

/** Frames as they stand in a message. */
export function joinFrames(frames: readonly string[]): string {
  return frames.join(BETWEEN_FRAMES);
}

/** A whole request message, for frames that do not travel through the script; each is its head and body. */
export function requestMessage(
  redisMs: number,
  header: string,
  frames: readonly (readonly [head: string, body: Text])[],
): Text {
  const parts: Text[] = [`[${PROTOCOL_VERSION},"${MessageKind.REQUESTS}",${redisMs},${header}`];
  frames.forEach(([head, body], index) =>
    parts.push(index > 0 ? BETWEEN_FRAMES + head : head, body, ']'),
  );
  return joinTexts([...parts, ']]']);
}

export function resultFrame(id: string, dataJson: Text): Text {
  return dataJson === '' ? endFrame(id, 0) : replyFrame(id, ReplyKind.RESULT, 0, dataJson);
}

export function valueFrame(id: string, sequence: number, dataJson: Text): Text {
  return replyFrame(id, ReplyKind.VALUE, sequence, dataJson === '' ? 'null' : dataJson);
}

function replyFrame(id: string, kind: ReplyKind, count: number, json: Text): Text {
  return wrapText(`["${id}",${kind},${count},`, json, ']');
}

export function endFrame(id: string, count: number): string {
  return `["${id}",${ReplyKind.END},${count}]`;
}

export function unknownFrame(id: string): string {
  return `["${id}",${ReplyKind.UNKNOWN},0]`;
}

/** How many values of a stream were sent so far. */
export function progressFrame(id: string, count: number): string {
  return `["${id}",${ReplyKind.PROGRESS},${count}]`;
}

/** Not `instanceof` alone: an Error may come from another realm, as in a test runner. */
export function isNativeError(error: unknown): error is Error {
  return error instanceof Error || types.isNativeError(error);
}

/** A failure of the handler: an Error keeps its name, message and own properties, never its stack. */
export function errorFrame(id: string, count: number, error: unknown, maxBytes: number): Text {
  const isException = isNativeError(error);
  const kind = isException ? ReplyKind.EXCEPTION : ReplyKind.ERROR;
  const value = isException ? errorProperties(error) : error;
  return replyFrame(id, kind, count, errorJson(value, maxBytes));
}

/** `attempt`: which one is refused before it began. What is said later is the answer to all that come to this node. */
export function refusalFrame(
  id: string,
  count: number,
  error: CloudsError,
  attempt?: number,
): string {
  const { code, message, details } = error;
  const value = JSON.stringify({ code, message, details, attempt });
  return `["${id}",${ReplyKind.REFUSAL},${count},${value}]`;
}

export function replyMessage(from: string, frames: readonly Text[]): Text {
  const head = `[${PROTOCOL_VERSION},"${MessageKind.REPLIES}","${from}",[`;
  if (frames.every((frame) => typeof frame === 'string')) return `${head}${frames.join(',')}]]`;
  const parts = frames.flatMap((frame, index) => (index > 0 ? [',', frame] : [frame]));
  return joinTexts([head, ...parts, ']]']);
}

export function idsMessage(
  kind: typeof MessageKind.CANCEL | typeof MessageKind.ASK,
  from: string,
  ids: readonly string[],
): string {
  return `[${PROTOCOL_VERSION},"${kind}","${from}",${JSON.stringify(ids)}]`;
}

export function receivedMessage(from: string, length: number): string {
  return `[${PROTOCOL_VERSION},"${MessageKind.RECEIVED}","${from}",${length}]`;
}

export function windowMessage(from: string, consumed: readonly Consumed[]): string {
  return `[${PROTOCOL_VERSION},"${MessageKind.WINDOW}","${from}",${JSON.stringify(consumed)}]`;
}

export function farewellMessage(token: string): string {
  return `[${PROTOCOL_VERSION},"${MessageKind.FAREWELL}","${token}"]`;
}

/** What is sent of an Error. */
export function errorProperties(error: Error): Record<string, unknown> {
  return { ...ownProperties(error), name: error.name, message: error.message };
}

function ownProperties(error: Error): Record<string, unknown> {
  const own = { ...error } as Record<string, unknown>;
  delete own.stack;
  // What it makes of the error may have the stack.
  delete own.toJSON;
  return own;
}

/** An error must arrive even if what hangs on it cannot be written: then what it is does. */
function errorJson(value: unknown, maxBytes: number): Text {
  try {
    return encodeData(withPlainErrors(value), maxBytes) || 'null';
  } catch {
    const isObject = typeof value === 'object' && value !== null;
    return JSON.stringify(isObject ? essenceOf(value) : shortened(textOf(value)));
  }
}

/** Of errors in it only what JSON has of an Error: what they make of themselves for it may have their stacks. */
function withPlainErrors(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return JSON.parse(
    JSON.stringify(value, function (this: Record<string, unknown>, key, json: unknown) {
      const given = this[key];
      return isNativeError(given) ? ownProperties(given) : json;
    }),
  ) as unknown;
}

function essenceOf(error: object): Record<string, unknown> {
  const essence: Record<string, unknown> = { message: 'an error that cannot be written as JSON' };
  for (const name of ESSENTIAL) {
    const property = readable(error, name);
    if (typeof property === 'string') essence[name] = shortened(property);
    else if (typeof property === 'boolean' || Number.isFinite(property)) essence[name] = property;
  }
  return essence;
}

/** A getter may be what cannot be written. */
function readable(error: object, name: string): unknown {
  try {
    return Reflect.get(error, name);
  } catch {
    return undefined;
  }
}

function shortened(text: string): string {
  return text.slice(0, MAX_ERROR_TEXT);
}
