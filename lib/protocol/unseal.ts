import { type DropReason, MessageKind, PROTOCOL_VERSION } from './frames.js';
import type { Seal, Verifier } from './verifier.js';

/** A message of these kinds has as many parts, and behind them its seal. */
const PARTS = 4;
const FRAMES = 5;
/** Frames as `joinFrames` writes them: no frame has a line feed. */
const BETWEEN_FRAMES = ',\n';
/** The second one if others wait for room. */
const ENDS_OF_REQUESTS = [']]', '],1]'];

const SEAL = String.raw`(\d{1,17}),"([\w-]{22})"`;
const SEALED_FRAME = new RegExp(String.raw`^(\["[\w-]{1,64}",)\[(\d{1,15}),${SEAL}\]`);
const SEALED_MESSAGE = new RegExp(String.raw`,\[${SEAL}\]\]$`);
const MAX_SEAL_LENGTH = 60;

/**
 * Takes the seals out of the parts of a message. Returns why frames of a request message were left out, or why any
 * other message is to be. Without a verifier all seals are believed, so that processes with and without keys can be
 * mixed.
 *
 * What was signed is looked for in the text as it came: other texts than the one that was signed have the same parts.
 */
export function unseal(
  text: string,
  parts: unknown[],
  verifier: Verifier | undefined,
): DropReason[] {
  switch (parts[1]) {
    case MessageKind.REQUESTS:
      return verifier ? verifyRequests(text, parts, verifier) : dropFrameSeals(parts);
    case MessageKind.PROBE:
      return unsealBeat(parts, verifier);
    // A farewell has a token that nobody else knows; who believes in room asks Redis for it once.
    case MessageKind.FAREWELL:
    case MessageKind.ROOM:
      return [];
    default:
      return unsealMessage(text, parts, verifier);
  }
}

/** The seal of a request stands around its second element. */
function dropFrameSeals(parts: unknown[]): DropReason[] {
  const list = parts[FRAMES];
  for (const frame of Array.isArray(list) ? (list as unknown[]) : [])
    if (hasFrameSeal(frame)) (frame as unknown[])[1] = frame[1][0];
  return [];
}

function hasFrameSeal(frame: unknown): frame is [string, unknown[]] {
  return Array.isArray(frame) && Array.isArray(frame[1]);
}

function verifyRequests(text: string, parts: unknown[], verifier: Verifier): DropReason[] {
  const frames: unknown[] = [];
  const reasons: DropReason[] = [];
  for (const frame of framesIn(text, parts)) {
    const { reason, value } = verifyFrame(frame, parts, verifier);
    if (reason === undefined) frames.push(value);
    else reasons.push(reason);
  }
  if (Array.isArray(parts[FRAMES])) parts[FRAMES] = frames;
  return reasons;
}

/** A text that is written in another way than ours has no seal that could be right. */
function framesIn(text: string, [, , redisMs, from, service]: unknown[]): string[] {
  const names = [redisMs, from, service].map((part) => JSON.stringify(part)).join(',');
  const head = `[${PROTOCOL_VERSION},"${MessageKind.REQUESTS}",${names},[`;
  const end = ENDS_OF_REQUESTS.find((one) => text.endsWith(one));
  if (!text.startsWith(head) || end === undefined) return [text];
  const frames = text.slice(head.length, -end.length);
  return frames === '' ? [] : frames.split(BETWEEN_FRAMES);
}

interface Verified {
  readonly reason?: DropReason;
  readonly value?: unknown;
}

/** Read by itself: what it is in the whole text may be something else. */
function verifyFrame(text: string, [, , , from, service]: unknown[], verifier: Verifier): Verified {
  const [seal, id, timeLeftMs, signedUs, mac] = SEALED_FRAME.exec(text) ?? [];
  const frame = seal === undefined ? text : `${id}${timeLeftMs}${text.slice(seal.length)}`;
  const value = parsed(frame);
  const reason =
    seal === undefined
      ? verifier.checkUnsealed(value === undefined || hasFrameSeal(value))
      : verifier.checkRequest(String(from), String(service), frame, { signedUs, mac } as Seal);
  const isExpired =
    reason === undefined && verifier.isExpired(Number(signedUs), Number(timeLeftMs));
  return isExpired ? { reason: 'stale' } : { reason, value };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unsealBeat(parts: unknown[], verifier: Verifier | undefined): DropReason[] {
  const [beat, signedUs, mac] = Array.isArray(parts[3]) ? (parts[3] as unknown[]) : [parts[3]];
  parts[3] = beat;
  if (verifier === undefined) return [];
  if (signedUs === undefined) return listOf(verifier.checkUnsealed(false));
  if (typeof signedUs !== 'number' || typeof mac !== 'string')
    return listOf(verifier.checkUnsealed(true));
  return listOf(verifier.checkBeat(String(beat), { signedUs: String(signedUs), mac }));
}

function unsealMessage(
  text: string,
  parts: unknown[],
  verifier: Verifier | undefined,
): DropReason[] {
  const hasMore = parts.splice(PARTS).length > 0;
  if (verifier === undefined) return [];
  const [seal, signedUs, mac] = SEALED_MESSAGE.exec(text.slice(-MAX_SEAL_LENGTH)) ?? [];
  if (seal === undefined) return listOf(verifier.checkUnsealed(hasMore));
  const content = `${text.slice(0, -seal.length)}]`;
  return listOf(verifier.checkMessage(content, { signedUs, mac } as Seal));
}

function listOf(reason: DropReason | undefined): DropReason[] {
  return reason === undefined ? [] : [reason];
}
