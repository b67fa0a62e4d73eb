import { createHmac } from 'node:crypto';
import { Block } from '../common/blocks.js';
import { requestHead } from './encode.js';
import { LongText, type Text } from './text.js';

/** RFC 2104, section 5: at least half of the hash. */
const MAC_BYTES = 16;
const US_PER_MS = 1000;
const MAX_SEAL_BYTES = 60;
/** A clock that is behind the last number by more was set back: what is signed in its future would be refused. */
const MAX_LEAD_US = 1000 * US_PER_MS;

/** What a code stands for beside its content, so that it is good for nothing else. */
export type Context = readonly [kind: 'request' | 'message' | 'beat', ...names: string[]];

/** HMAC-SHA-256, cut to 16 bytes, in base64url. No part of a context has a line feed. */
export function macOf(
  key: string,
  context: Context,
  signedUs: number | string,
  content: Text,
): string {
  const hmac = createHmac('sha256', key).update(`${context.join('\n')}\n${signedUs}\n`);
  const pieces = typeof content === 'string' ? [content] : content.pieces;
  for (const piece of pieces) hmac.update(piece instanceof Block ? piece.bytes : piece);
  return hmac.digest().toString('base64url', 0, MAC_BYTES);
}

/**
 * Signs what a process sends, if it has a key. Requests are signed one by one, as the script puts the frames of a
 * batch into several messages, and with no receiver, as it picks that.
 */
export class Signer {
  #lastUs = 0;

  constructor(
    private readonly prefix: string,
    private readonly key?: string,
  ) {}

  /** Whether it has a key. */
  get isSigning(): boolean {
    return this.key !== undefined;
  }

  /** By so much a message gets longer, at most, in bytes. */
  get sealBytes(): number {
    return this.key === undefined ? 0 : MAX_SEAL_BYTES;
  }

  /** What stands before the body of a request: its seal stands around the time left. */
  requestHead(
    from: string,
    service: string,
    [id, timeLeftMs, attempt]: readonly [id: string, timeLeftMs: number, attempt: number],
    body: Text,
  ): string {
    const head = requestHead(id, timeLeftMs, attempt);
    if (this.key === undefined) return head;
    const frame = joined(head, body, ']');
    const seal = this.#seal(this.key, ['request', this.prefix, from, service], frame);
    return requestHead(id, `[${timeLeftMs},${seal}]`, attempt);
  }

  /** A whole message to one inbox: its seal is the last element. */
  message(to: string, text: Text): Text {
    if (this.key === undefined) return text;
    const seal = this.#seal(this.key, ['message', this.prefix, to], text);
    return appended(text, `,[${seal}]]`);
  }

  /** The number of a beat, which comes back in a message that Redis writes. */
  beat(to: string, beat: number): string | number {
    if (this.key === undefined) return beat;
    return `[${beat},${this.#seal(this.key, ['beat', this.prefix, to], String(beat))}]`;
  }

  #seal(key: string, context: Context, content: Text): string {
    const signedUs = this.#now();
    return `${signedUs},"${macOf(key, context, signedUs, content)}"`;
  }

  /** Never twice the same: two messages of one millisecond may be alike, and neither is a replay. */
  #now(): number {
    const nowUs = Date.now() * US_PER_MS;
    const isAhead = this.#lastUs >= nowUs && this.#lastUs - nowUs < MAX_LEAD_US;
    this.#lastUs = isAhead ? this.#lastUs + 1 : nowUs;
    return this.#lastUs;
  }
}

function joined(before: string, text: Text, behind: string): Text {
  if (typeof text === 'string') return before + text + behind;
  return new LongText([before, ...text.pieces, behind]);
}

/** In the place of the bracket at the end. */
function appended(text: Text, end: string): Text {
  if (typeof text === 'string') return text.slice(0, -1) + end;
  const last = text.pieces.at(-1) as string;
  return new LongText([...text.pieces.slice(0, -1), last.slice(0, -1) + end]);
}
