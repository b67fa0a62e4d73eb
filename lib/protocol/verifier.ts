import { timingSafeEqual } from 'node:crypto';
import { SECOND } from '../common/durations.js';
import type { DropReason } from './frames.js';
import { type Context, macOf } from './signer.js';

/** What is older could be a replay that is no longer known as one. */
export const MAX_AGE_MS = 30 * SECOND;
/** By so much the clocks of two machines may differ, at the cost of the age. */
export const MAX_AHEAD_MS = 15 * SECOND;
const US_PER_MS = 1000;

/** As it stands in the text. */
export interface Seal {
  readonly signedUs: string;
  readonly mac: string;
}

/** Says of what arrives whether somebody with a key has sent it, to here, lately, and for the first time. */
export class Verifier {
  readonly #seen = new SeenCodes(MAX_AGE_MS + MAX_AHEAD_MS);

  constructor(
    private readonly prefix: string,
    private readonly keys: readonly string[],
    readonly isRequired: boolean,
    private readonly receiver: { readonly incarnation: string },
  ) {}

  /** `looksSealed`: there is something in the place of the seal that is none. */
  checkUnsealed(looksSealed: boolean): DropReason | undefined {
    if (looksSealed) return 'tampered';
    return this.isRequired ? 'unsigned' : undefined;
  }

  /** `content` is the text that was signed. */
  checkRequest(from: string, service: string, content: string, seal: Seal): DropReason | undefined {
    return this.#check(['request', this.prefix, from, service], content, seal);
  }

  checkMessage(content: string, seal: Seal): DropReason | undefined {
    return this.#check(['message', this.prefix, this.receiver.incarnation], content, seal);
  }

  checkBeat(content: string, seal: Seal): DropReason | undefined {
    return this.#check(['beat', this.prefix, this.receiver.incarnation], content, seal);
  }

  /** When a message was dispatched is not signed: who changes that could have a request run long after its time. */
  isExpired(signedUs: number, timeLeftMs: number): boolean {
    return ageMsOf(signedUs) > timeLeftMs + MAX_AHEAD_MS;
  }

  #check(context: Context, content: string, { signedUs, mac }: Seal): DropReason | undefined {
    const isRight = (key: string) => isSame(mac, macOf(key, context, signedUs, content));
    if (!this.keys.some(isRight)) return 'tampered';
    const ageMs = ageMsOf(Number(signedUs));
    if (ageMs > MAX_AGE_MS || ageMs < -MAX_AHEAD_MS) return 'stale';
    return this.#seen.add(mac, Number(signedUs));
  }
}

function ageMsOf(signedUs: number): number {
  return Date.now() - signedUs / US_PER_MS;
}

function isSame(given: string, right: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

class Generation {
  readonly macs = new Set<string>();
  newestUs = 0;
}

/** Remembers each for at least so long, at most for twice that. */
class SeenCodes {
  #current = new Generation();
  #previous = new Generation();
  #turnedAt = performance.now();
  /** What was signed before may have been seen and forgotten: the clock may have been set back since. */
  #forgottenUs = 0;

  constructor(private readonly keepMs: number) {}

  /** Why it is not new, if so. */
  add(mac: string, signedUs: number): DropReason | undefined {
    this.#turn();
    if (this.#current.macs.has(mac) || this.#previous.macs.has(mac)) return 'replayed';
    if (signedUs <= this.#forgottenUs) return 'stale';
    this.#current.macs.add(mac);
    this.#current.newestUs = Math.max(this.#current.newestUs, signedUs);
    return undefined;
  }

  #turn(): void {
    const sinceMs = performance.now() - this.#turnedAt;
    if (sinceMs < this.keepMs) return;
    this.#forget(this.#previous);
    if (sinceMs >= 2 * this.keepMs) this.#forget(this.#current);
    this.#previous = sinceMs < 2 * this.keepMs ? this.#current : new Generation();
    this.#current = new Generation();
    this.#turnedAt = performance.now();
  }

  #forget({ newestUs }: Generation): void {
    this.#forgottenUs = Math.max(this.#forgottenUs, newestUs);
  }
}
