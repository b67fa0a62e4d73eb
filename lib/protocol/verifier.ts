import { timingSafeEqual } from 'node:crypto';
import { SECOND } from '../common/durations.js';
import type { DropReason } from './frames.js';
import { type Context, macOf } from './signer.js';

/** What is older could be a replay that is no longer known as one. */
export const MAX_AGE_MS = 30 * SECOND;
/** By so much the clocks of two machines may differ, at the cost of the age. */
export const MAX_AHEAD_MS = 15 * SECOND;
const US_PER_MS = 1000;

/** Says of what arrives whether somebody with a key has sent it, to here, lately, and for the first time. */
export class Verifier {
  readonly #seen = new SeenCodes(MAX_AGE_MS + MAX_AHEAD_MS);

  constructor(
    private readonly prefix: string,
    private readonly keys: readonly string[],
    readonly isRequired: boolean,
    private readonly receiver: { readonly incarnation: string },
  ) {}

  /** A `seal` is `[signedUs, mac]`, or empty for what has none; `content` is what was signed. */
  checkRequest(
    from: string,
    service: string,
    seal: readonly unknown[],
    frame: unknown,
  ): DropReason | undefined {
    return this.#check(['request', this.prefix, from, service], seal, frame);
  }

  checkMessage(seal: readonly unknown[], parts: unknown): DropReason | undefined {
    return this.#check(['message', this.prefix, this.receiver.incarnation], seal, parts);
  }

  checkBeat(seal: readonly unknown[], beat: unknown): DropReason | undefined {
    return this.#check(['beat', this.prefix, this.receiver.incarnation], seal, beat);
  }

  #check(context: Context, seal: readonly unknown[], content: unknown): DropReason | undefined {
    if (seal.length === 0) return this.isRequired ? 'unsigned' : undefined;
    const [signedUs, mac] = seal;
    if (typeof signedUs !== 'number' || typeof mac !== 'string') return 'tampered';
    // What JSON.stringify has written, it writes again in the same way when it has been parsed.
    const text = JSON.stringify(content);
    const isRight = (key: string) => isSame(mac, macOf(key, context, signedUs, text));
    if (!this.keys.some(isRight)) return 'tampered';
    const ageMs = Date.now() - signedUs / US_PER_MS;
    if (ageMs > MAX_AGE_MS || ageMs < -MAX_AHEAD_MS) return 'stale';
    return this.#seen.add(mac) ? undefined : 'replayed';
  }
}

function isSame(given: string, right: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Remembers each for at least so long, at most for twice that. */
class SeenCodes {
  #current = new Set<string>();
  #previous = new Set<string>();
  #turnedAt = performance.now();

  constructor(private readonly keepMs: number) {}

  /** Whether it is new. */
  add(mac: string): boolean {
    this.#turn();
    if (this.#current.has(mac) || this.#previous.has(mac)) return false;
    this.#current.add(mac);
    return true;
  }

  #turn(): void {
    const sinceMs = performance.now() - this.#turnedAt;
    if (sinceMs < this.keepMs) return;
    this.#previous = sinceMs < 2 * this.keepMs ? this.#current : new Set();
    this.#current = new Set();
    this.#turnedAt = performance.now();
  }
}
