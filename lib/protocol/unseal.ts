import { type DropReason, MessageKind } from './frames.js';
import type { Verifier } from './verifier.js';

const NO_SEAL: readonly unknown[] = [];
/** A message of these kinds has as many parts, and behind them its seal. */
const PARTS = 4;

/**
 * Takes the seals out of a message. Returns why frames of a request message were left out, or why any other message
 * is to be. Without a verifier all seals are believed, so that processes with and without keys can be mixed.
 */
export function unseal(parts: unknown[], verifier: Verifier | undefined): DropReason[] {
  switch (parts[1]) {
    case MessageKind.REQUESTS:
      return unsealRequests(parts, verifier);
    case MessageKind.PROBE:
      return unsealBeat(parts, verifier);
    // It has a token that nobody else knows.
    case MessageKind.FAREWELL:
      return [];
    default:
      return unsealMessage(parts, verifier);
  }
}

function unsealRequests(parts: unknown[], verifier: Verifier | undefined): DropReason[] {
  const [, , , from, service, list] = parts;
  if (typeof from !== 'string' || typeof service !== 'string' || !Array.isArray(list)) return [];
  const seals = list.map(takeSeal);
  if (verifier === undefined) return [];
  const reasons = seals.map((seal, i) => verifier.checkRequest(from, service, seal, list[i]));
  parts[5] = list.filter((_, i) => reasons[i] === undefined);
  return reasons.filter((reason) => reason !== undefined);
}

/** The seal of a request stands around its second element. */
function takeSeal(frame: unknown): readonly unknown[] {
  if (!Array.isArray(frame) || !Array.isArray(frame[1])) return NO_SEAL;
  const [timeLeftMs, ...seal] = frame[1] as unknown[];
  frame[1] = timeLeftMs;
  return seal;
}

function unsealBeat(parts: unknown[], verifier: Verifier | undefined): DropReason[] {
  const [beat, ...seal] = Array.isArray(parts[3]) ? (parts[3] as unknown[]) : [parts[3]];
  parts[3] = beat;
  return listOf(verifier?.checkBeat(seal, beat));
}

function unsealMessage(parts: unknown[], verifier: Verifier | undefined): DropReason[] {
  const [seal = NO_SEAL] = parts.splice(PARTS);
  return listOf(verifier?.checkMessage(Array.isArray(seal) ? seal : [seal], parts));
}

function listOf(reason: DropReason | undefined): DropReason[] {
  return reason === undefined ? [] : [reason];
}
