import { types } from 'node:util';
import { type CloudsError } from '../common/errors.js';
import { MessageKind, type Metadata, PROTOCOL_VERSION, ReplyKind } from './frames.js';
import { encodeData } from './payload.js';

/** What is left of an error that cannot be sent as it is, in characters. */
const MAX_ERROR_TEXT = 1000;

/** The constant part of a request batch; the script writes what stands before and behind it. */
export function requestHeader(from: string, service: string): string {
  return `"${from}",${JSON.stringify(service)},[`;
}

/** The metadata and data of a request, made once per call and used by all of its attempts. */
export function requestBody(metadata: Metadata | undefined, dataJson: string): string {
  const metadataJson = metadata === undefined ? '0' : JSON.stringify(metadata);
  return dataJson === '' ? metadataJson : `${metadataJson},${dataJson}`;
}

export function requestFrame(
  id: string,
  timeLeftMs: number,
  attempt: number,
  body: string,
): string {
  return `["${id}",${timeLeftMs},${attempt},${body}]`;
}

/** A whole request message, for a frame that does not travel through the script. */
export function requestMessage(redisMs: number, header: string, frame: string): string {
  return `[${PROTOCOL_VERSION},"${MessageKind.REQUESTS}",${redisMs},${header}${frame}]]`;
}

export function resultFrame(id: string, dataJson: string): string {
  return dataJson === '' ? endFrame(id, 0) : `["${id}",${ReplyKind.RESULT},0,${dataJson}]`;
}

export function valueFrame(id: string, sequence: number, dataJson: string): string {
  return `["${id}",${ReplyKind.VALUE},${sequence},${dataJson === '' ? 'null' : dataJson}]`;
}

export function endFrame(id: string, count: number): string {
  return `["${id}",${ReplyKind.END},${count}]`;
}

export function unknownFrame(id: string): string {
  return `["${id}",${ReplyKind.UNKNOWN},0]`;
}

/** Not `instanceof` alone: an Error may come from another realm, as in a test runner. */
function isNativeError(error: unknown): error is Error {
  return error instanceof Error || types.isNativeError(error);
}

/** A failure of the handler: an Error keeps its name, message and own properties, never its stack. */
export function errorFrame(id: string, count: number, error: unknown, maxBytes: number): string {
  const isException = isNativeError(error);
  const kind = isException ? ReplyKind.EXCEPTION : ReplyKind.ERROR;
  const value = isException ? errorProperties(error) : error;
  return `["${id}",${kind},${count},${errorJson(value, maxBytes)}]`;
}

export function refusalFrame(id: string, count: number, error: CloudsError): string {
  const { code, message, details } = error;
  return `["${id}",${ReplyKind.REFUSAL},${count},${JSON.stringify({ code, message, details })}]`;
}

export function replyMessage(from: string, frames: readonly string[]): string {
  return `[${PROTOCOL_VERSION},"${MessageKind.REPLIES}","${from}",[${frames.join(',')}]]`;
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

export function farewellMessage(token: string): string {
  return `[${PROTOCOL_VERSION},"${MessageKind.FAREWELL}","${token}"]`;
}

function errorProperties(error: Error): Record<string, unknown> {
  const own = { ...error } as Record<string, unknown>;
  delete own.stack;
  return { ...own, name: error.name, message: error.message };
}

/** An error must arrive even if what hangs on it cannot be written: then its text alone does. */
function errorJson(value: unknown, maxBytes: number): string {
  try {
    return encodeData(value, maxBytes) || 'null';
  } catch {
    const message = value instanceof Object && 'message' in value ? value.message : value;
    const text =
      message instanceof Object ? 'an error that cannot be written as JSON' : String(message);
    return JSON.stringify(text.slice(0, MAX_ERROR_TEXT));
  }
}
