import { isDeeperThan } from './depth.js';
import {
  type Consumed,
  type DropReason,
  MessageKind,
  type Message,
  type Metadata,
  NO_METADATA,
  PROTOCOL_VERSION,
  type ReplyFrame,
  ReplyKind,
  type RequestFrame,
} from './frames.js';
import { isIncarnation } from './ids.js';
import { MAX_DATA_DEPTH } from './payload.js';
import { beginningOf, type Text } from './text.js';
import { unseal } from './unseal.js';
import type { Verifier } from './verifier.js';

const ENVELOPE_DEPTH = 3;
const CALL_ID = /^[A-Za-z0-9_-]{1,64}$/;
const MAX_REPLY_KIND = ReplyKind.PROGRESS;
/** Where a batch too large to parse says whom to tell: the return address and the first call's id. */
const REQUEST_HEAD = /^\[\d+,"q",\d+,"([^"]{1,80})","(?:[^"\\]|\\.){1,1600}",\[\["([^"]{1,64})"/;

const MAX_HEAD_BYTES = 4096;
const SOME_WAIT = 1;
/** Far above what points may come to, and far below where numbers have no halves. */
const MAX_SCORE = 2 ** 40;

export class DroppedMessage extends Error {
  constructor(
    readonly reason: DropReason,
    /** Where an error can be sent, if the message says so. */
    readonly from?: string,
    readonly id?: string,
  ) {
    super(reason);
  }
}

/**
 * Reads one message off the wire. Frames of a batch that cannot be read are left out and counted, and so are
 * those whose seal the verifier does not take.
 * @throws DroppedMessage for everything else that is not of this protocol; nothing else is thrown.
 */
export function decodeMessage(bytes: Buffer, maxBytes: number, verifier?: Verifier): Message {
  if (bytes.length > maxBytes) throw dropped('too-large', bytes);
  if (isDeeperThan(bytes, MAX_DATA_DEPTH + ENVELOPE_DEPTH)) throw dropped('too-deep', bytes);
  const text = bytes.toString();
  const parts = parse(text);
  if (!Array.isArray(parts)) throw new DroppedMessage('malformed');
  if (parts[0] !== PROTOCOL_VERSION) throw dropped('unknown-version', bytes);
  const reasons = unseal(text, parts, verifier);
  const isRequests = parts[1] === MessageKind.REQUESTS;
  if (reasons.length > 0 && !isRequests) throw new DroppedMessage(reasons[0]!);
  const message = readMessage(parts, reasons);
  if (message === undefined) throw new DroppedMessage('malformed');
  return message;
}

function dropped(reason: DropReason, bytes: Buffer): DroppedMessage {
  const [, from, id] = REQUEST_HEAD.exec(bytes.toString('utf8', 0, MAX_HEAD_BYTES)) ?? [];
  return isIncarnation(from) && isCallId(id)
    ? new DroppedMessage(reason, from, id)
    : new DroppedMessage(reason);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new DroppedMessage('not-json');
  }
}

function readMessage(parts: unknown[], unsealable: readonly DropReason[]): Message | undefined {
  switch (parts[1]) {
    case MessageKind.REQUESTS:
      return readRequests(parts, unsealable);
    case MessageKind.REPLIES:
      return readReplies(parts);
    case MessageKind.CANCEL:
    case MessageKind.ASK:
      return readIds(parts[1], parts);
    case MessageKind.PROBE:
      return readProbe(parts);
    case MessageKind.RECEIVED:
      return readReceived(parts);
    case MessageKind.WINDOW:
      return readWindow(parts);
    case MessageKind.ROOM:
      return readRoom(parts);
    case MessageKind.FAREWELL:
      return typeof parts[2] === 'string' ? { kind: parts[1], token: parts[2] } : undefined;
    default:
      return undefined;
  }
}

function readRequests(parts: unknown[], unsealable: readonly DropReason[]): Message | undefined {
  const [, , redisMs, from, service, list, someWait] = parts;
  if (typeof redisMs !== 'number' || !isIncarnation(from) || typeof service !== 'string')
    return undefined;
  if (!Array.isArray(list)) return undefined;
  const frames = only(list, isRequest);
  const malformed = list.length - frames.length;
  const malformedIds = malformed === 0 ? [] : idsOfMalformed(list);
  return {
    kind: MessageKind.REQUESTS,
    redisMs,
    from,
    service,
    someWait: someWait === SOME_WAIT,
    frames,
    malformed,
    malformedIds,
    unsealable,
  };
}

function idsOfMalformed(list: readonly unknown[]): string[] {
  const malformed = list.filter((frame) => !isRequest(frame));
  return malformed
    .map((frame) => (Array.isArray(frame) ? (frame as unknown[])[0] : frame))
    .filter(isCallId);
}

function isRequest(frame: unknown): frame is RequestFrame {
  if (!Array.isArray(frame)) return false;
  const [id, timeLeftMs, attempt, metadata, , event] = frame as unknown[];
  if (!isCallId(id) || typeof timeLeftMs !== 'number' || !isCount(attempt)) return false;
  if (event !== undefined && typeof event !== 'string') return false;
  return metadata === NO_METADATA || isMetadata(metadata);
}

function readReplies(parts: unknown[]): Message | undefined {
  const [, , from, list] = parts;
  if (!isIncarnation(from) || !Array.isArray(list)) return undefined;
  const frames = only(list, isReply);
  return { kind: MessageKind.REPLIES, from, frames, malformed: list.length - frames.length };
}

/** The frames of a message that this process has made itself. */
export function ownReplyFrames(message: string): ReplyFrame[] {
  return (JSON.parse(message) as [number, string, string, ReplyFrame[]])[3];
}

/** A frame that this process has made itself. */
export function ownReplyFrame(frame: string): ReplyFrame {
  return JSON.parse(frame) as ReplyFrame;
}

/** What a reply frame begins with that this process has made itself. */
export function ownReplyHead(frame: Text): { id: string; kind: ReplyKind } {
  const text = beginningOf(frame);
  const end = text.indexOf('"', 2);
  return { id: text.slice(2, end), kind: Number(text[end + 2]) as ReplyKind };
}

/** The id is only looked up, so whatever it says does no harm. */
function isReply(frame: unknown): frame is ReplyFrame {
  if (!Array.isArray(frame)) return false;
  const [id, kind, count] = frame as unknown[];
  return typeof id === 'string' && isCount(count) && isReplyKind(kind);
}

function readIds(
  kind: typeof MessageKind.CANCEL | typeof MessageKind.ASK,
  parts: unknown[],
): Message | undefined {
  const [, , from, ids] = parts;
  if (!isIncarnation(from) || !Array.isArray(ids)) return undefined;
  return { kind, from, ids: ids.filter(isCallId) };
}

function readReceived([, , from, length]: unknown[]): Message | undefined {
  if (!isIncarnation(from) || !isCount(length)) return undefined;
  return { kind: MessageKind.RECEIVED, from, length };
}

function readWindow([, , from, list]: unknown[]): Message | undefined {
  if (!isIncarnation(from) || !Array.isArray(list)) return undefined;
  return { kind: MessageKind.WINDOW, from, consumed: only(list, isConsumed) };
}

function readRoom([, , from, service]: unknown[]): Message | undefined {
  if (!isIncarnation(from) || typeof service !== 'string') return undefined;
  return { kind: MessageKind.ROOM, from, service };
}

function isConsumed(item: unknown): item is Consumed {
  if (!Array.isArray(item)) return false;
  const [id, count] = item as unknown[];
  return isCallId(id) && isCount(count);
}

function readProbe(parts: unknown[]): Message | undefined {
  const [, , redisMs, beat, scores] = parts;
  if (!isFiniteNumber(redisMs) || !isFiniteNumber(beat) || !Array.isArray(scores)) return undefined;
  if (!scores.every(isScore)) return undefined;
  return { kind: MessageKind.PROBE, redisMs, beat, scores };
}

/** What is larger would swallow the points that are counted with it. */
function isScore(value: unknown): value is number {
  return isFiniteNumber(value) && Math.abs(value) <= MAX_SCORE;
}

/** The list itself when all are right, as they mostly are: this is on the path of every call. */
function only<T>(list: unknown[], isRight: (item: unknown) => item is T): T[] {
  return list.every(isRight) ? list : list.filter(isRight);
}

function isCallId(value: unknown): value is string {
  return typeof value === 'string' && CALL_ID.test(value);
}

/** JSON has numbers that are too large for a number. */
function isFiniteNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isSafeInteger(value);
}

function isReplyKind(value: unknown): value is ReplyKind {
  return isCount(value) && value <= MAX_REPLY_KIND;
}

function isMetadata(value: unknown): value is Metadata {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((item) => typeof item === 'string');
}
